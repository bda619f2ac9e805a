/** Buttons and fields: React Aria's behaviour under the dashboard's classes. Knows nothing of the API. */

import { useState, type ReactNode } from "react";
import {
  Button as AriaButton, CheckboxButton, CheckboxField, FieldError, Input, Label, ListBox, ListBoxItem, Popover, RadioButton, RadioField, RadioGroup, Select,
  SelectValue, Text, TextArea, TextField, type ButtonProps as AriaButtonProps,
} from "react-aria-components";
import { Link } from "wouter";
import { Sentence } from "./words";

type Look = "primary" | "danger" | "plain" | "default";

export interface ButtonProps extends AriaButtonProps {
  look?: Look;
  small?: boolean;
}

export function Button({ look = "default", small = false, ...props }: ButtonProps) {
  return <AriaButton {...props} className={`button ${look}${small ? " small" : ""}`} />;
}

export function ButtonLink({ href, look = "default", small = false, children }: { href: string; look?: Look; small?: boolean; children: ReactNode }) {
  return <Link href={href} className={`button ${look}${small ? " small" : ""}`}>{children}</Link>;
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  wrong?: string | undefined;
  compact?: boolean;
}

export interface TextInputProps extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  name?: string;
  type?: "text" | "password" | "search" | "datetime-local";
  placeholder?: string;
  required?: boolean;
  autoComplete?: string;
  autoFocus?: boolean;
  numeric?: boolean;
  multiline?: boolean;
  disabled?: boolean;
}

export function TextInput({ label, hint, wrong, compact, value, onChange, name, type = "text", placeholder, required, autoComplete = "off", autoFocus, numeric, multiline, disabled }: TextInputProps) {
  return (
    <TextField
      className={`field${compact ? " compact" : ""}`} value={value} onChange={onChange} type={type} validationBehavior="aria" isInvalid={wrong !== undefined}
      isRequired={required ?? false} isDisabled={disabled ?? false} autoComplete={autoComplete}
      {...(name === undefined ? {} : { name })}
      {...(autoFocus ? { autoFocus: true } : {})}
    >
      <Label className="label">{label}</Label>
      {multiline
        ? <TextArea spellCheck={false} {...(placeholder === undefined ? {} : { placeholder })} />
        : <Input spellCheck={false} inputMode={numeric ? "numeric" : undefined} {...(placeholder === undefined ? {} : { placeholder })} />}
      {hint === undefined ? null : <Text slot="description" className="hint">{hint}</Text>}
      <FieldError className="wrong">{wrong === undefined ? null : <Sentence text={wrong} />}</FieldError>
    </TextField>
  );
}

export interface Option {
  id: string;
  label: string;
}

export interface SelectInputProps extends FieldProps {
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  placeholder?: string;
}

export function SelectInput({ label, hint, wrong, compact, value, options, onChange, placeholder }: SelectInputProps) {
  return (
    <Select
      className={`field${compact ? " compact" : ""}`} value={value === "" && !options.some((option) => option.id === "") ? null : value}
      onChange={(key) => onChange(String(key ?? ""))} isInvalid={wrong !== undefined} validationBehavior="aria" placeholder={placeholder ?? "Choose"}
    >
      <Label className="label">{label}</Label>
      <AriaButton className="select-button">
        <SelectValue />
        <span aria-hidden="true">▾</span>
      </AriaButton>
      {hint === undefined ? null : <Text slot="description" className="hint">{hint}</Text>}
      <FieldError className="wrong">{wrong === undefined ? null : <Sentence text={wrong} />}</FieldError>
      <Popover className="popover">
        <ListBox className="list" items={options}>
          {(option) => <ListBoxItem id={option.id} className="option" textValue={option.label}>{option.label}</ListBoxItem>}
        </ListBox>
      </Popover>
    </Select>
  );
}

export interface ChoiceInputProps<T extends string> extends FieldProps {
  value: T;
  options: readonly { id: T; label: string }[];
  onChange: (value: T) => void;
}

export function ChoiceInput<T extends string>({ label, hint, wrong, value, options, onChange }: ChoiceInputProps<T>) {
  return (
    <RadioGroup className="field" value={value} onChange={(next) => onChange(next as T)} isInvalid={wrong !== undefined} validationBehavior="aria">
      <Label className="label">{label}</Label>
      <div className="choices">
        {options.map((option) => <RadioField key={option.id} value={option.id}><RadioButton className="choice">{option.label}</RadioButton></RadioField>)}
      </div>
      {hint === undefined ? null : <Text slot="description" className="hint">{hint}</Text>}
      <FieldError className="wrong">{wrong === undefined ? null : <Sentence text={wrong} />}</FieldError>
    </RadioGroup>
  );
}

export function CheckInput({ label, value, onChange, disabled }: { label: ReactNode; value: boolean; onChange: (value: boolean) => void; disabled?: boolean }) {
  return (
    <CheckboxField isSelected={value} onChange={onChange} isDisabled={disabled ?? false}>
      <CheckboxButton className="check">{label}</CheckboxButton>
    </CheckboxField>
  );
}

/** Text to be copied: a command, a token. */
export function CodeBlock({ text, label }: { text: string; label: string }) {
  return (
    <div className="code-block">
      <pre aria-label={label}>{text}</pre>
      <CopyButton text={text} label={label} />
    </div>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<"idle" | "copied" | "refused">("idle");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState("copied");
    } catch {
      setState("refused");
    }
    setTimeout(() => setState("idle"), 2_000);
  };
  return (
    <Button small aria-label={`Copy ${label}`} onPress={() => void copy()}>
      <span aria-live="polite">{state === "copied" ? "Copied" : state === "refused" ? "Select and copy" : "Copy"}</span>
    </Button>
  );
}

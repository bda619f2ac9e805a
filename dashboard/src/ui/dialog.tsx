/** Dialogs that hold the focus, which one is open, and the one that asks before something is destroyed. */

import { useState, type ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useLocation } from "wouter";
import { useAddress, type Changes } from "./address";
import { Button, TextInput } from "./controls";
import { Failed } from "./states";
import type { Named } from "./words";

export interface DialogState {
  /** What it is about, by its id or name: empty where that is understood, null while it is closed. */
  of: string | null;
  open: (of?: string) => void;
  /** Closes it as the browser's way back does. */
  close: () => void;
  /** Closes it after what it was for is done: with what else changes in the address, or on another page. */
  done: (then?: Changes | string) => void;
}

/** What an entry of the history remembers where the one before it is the same page without the dialog. */
const OPENED_HERE = "dialog";

/** The way back takes effect later; a second one before that would leave the page. */
let goingBack = false;

function goBack(): void {
  if (goingBack) return;
  goingBack = true;
  window.addEventListener("popstate", () => { goingBack = false; }, { once: true });
  window.history.back();
}

const isOpen = (name: string) => new URLSearchParams(window.location.search).get("dialog") === name;

/** A dialog that is open where the address says `dialog=NAME`, and with `of=WHAT` of what. What is typed into it is not in the address. */
export function useDialog(name: string): DialogState {
  const [params, change] = useAddress();
  const [, navigate] = useLocation();
  return {
    of: params.get("dialog") === name ? (params.get("of") ?? "") : null,
    open: (of = "") => change({ dialog: name, of }, { replace: false, state: OPENED_HERE }),
    close: () => {
      if (!isOpen(name)) return;
      if (window.history.state === OPENED_HERE) goBack();
      else change({ dialog: null, of: null });
    },
    done: (then = {}) => {
      // Whoever went elsewhere meanwhile stays there.
      if (!isOpen(name)) return;
      if (typeof then === "string") navigate(then, { replace: true });
      else change({ dialog: null, of: null, ...then }, { state: null });
    },
  };
}

export function DialogFrame({ title, open, onClose, children }: { title: string; open: boolean; onClose: () => void; children: ReactNode }) {
  return (
    <ModalOverlay className="modal-overlay" isOpen={open} onOpenChange={(next) => { if (!next) onClose(); }} isDismissable>
      <Modal className="modal">
        <Dialog className="dialog">
          <Heading slot="title" level={2}>{title}</Heading>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

export interface ConfirmProps {
  title: string;
  /** What happens, in a sentence or two. */
  children: ReactNode;
  /** The words of the button that does it. */
  action: string;
  /** To be typed before it can be done. */
  typed?: string;
  /** Whom a refusal may name. */
  named?: readonly Named[];
  open: boolean;
  onClose: () => void;
  onConfirm: () => Promise<unknown>;
  /** After it was done. */
  onDone: () => void;
}

export function ConfirmDialog(props: ConfirmProps) {
  return (
    <DialogFrame title={props.title} open={props.open} onClose={props.onClose}>
      <ConfirmBody {...props} />
    </DialogFrame>
  );
}

function ConfirmBody({ children, action, typed, named, onClose, onConfirm, onDone }: ConfirmProps) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const confirm = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await onConfirm();
      onDone();
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <div className="stack tight">{children}</div>
      {typed === undefined ? null : <TextInput label={`Type ${typed} to confirm`} value={text} onChange={setText} autoFocus />}
      {failure === null ? null : <Failed error={failure} named={named} />}
      <div className="dialog-actions">
        <Button onPress={onClose}>Cancel</Button>
        <Button look="danger" isDisabled={busy || (typed !== undefined && text !== typed)} onPress={() => void confirm()}>{action}</Button>
      </div>
    </>
  );
}

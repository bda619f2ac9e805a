/** Dialogs that hold the focus, and the one that asks before something is destroyed. */

import { useState, type ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { Button, TextInput } from "./controls";
import { Failed } from "./states";

export function DialogFrame({ title, open, onClose, wide = false, children }: { title: string; open: boolean; onClose: () => void; wide?: boolean; children: ReactNode }) {
  return (
    <ModalOverlay className="modal-overlay" isOpen={open} onOpenChange={(next) => { if (!next) onClose(); }} isDismissable>
      <Modal className={`modal${wide ? " wide" : ""}`}>
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
  open: boolean;
  onClose: () => void;
  onConfirm: () => Promise<unknown>;
}

export function ConfirmDialog(props: ConfirmProps) {
  return (
    <DialogFrame title={props.title} open={props.open} onClose={props.onClose}>
      <ConfirmBody {...props} />
    </DialogFrame>
  );
}

function ConfirmBody({ children, action, typed, onClose, onConfirm }: ConfirmProps) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const confirm = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await onConfirm();
      onClose();
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
      {failure === null ? null : <Failed error={failure} />}
      <div className="dialog-actions">
        <Button onPress={onClose}>Cancel</Button>
        <Button look="danger" isDisabled={busy || (typed !== undefined && text !== typed)} onPress={() => void confirm()}>{action}</Button>
      </div>
    </>
  );
}

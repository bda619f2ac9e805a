//! Building the RPC messages that both roles send.

use super::{Call, Exception, ExceptionKind, Reply};
use crate::frame;
use crate::tunnel_rpc_capnp::registration_server;
use bytes::Bytes;
use capnp::message::{Builder, HeapAllocator};
use capnp::traits::ImbueMut;
use capnp_rpc::rpc_capnp as rpc;

/// The export id of the bootstrap capability, the only one there is.
pub(super) const BOOTSTRAP_EXPORT: u32 = 0;

/// Where a call goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// The result of a question that is not answered yet.
    Promised(u32),
    /// A capability that the peer exports.
    Imported(u32),
}

fn message(fill: impl FnOnce(rpc::message::Builder<'_>)) -> Bytes {
    let mut message: Builder<HeapAllocator> = Builder::new_default();
    fill(message.init_root());
    frame::encode_frame(&message)
}

pub(super) fn bootstrap(question: u32) -> Bytes {
    message(|root| root.init_bootstrap().set_question_id(question))
}

pub(super) fn call(question: u32, target: Target, call: &Call) -> Bytes {
    message(|root| {
        let mut wire = root.init_call();
        wire.set_question_id(question);
        let (interface, method) = call.method().wire_id();
        wire.set_interface_id(interface);
        wire.set_method_id(method);
        let mut to = wire.reborrow().init_target();
        match target {
            Target::Promised(question) => {
                let mut promised = to.init_promised_answer();
                promised.set_question_id(question);
                promised.init_transform(0);
            }
            Target::Imported(id) => to.set_imported_cap(id),
        }
        wire.reborrow().init_send_results_to().set_caller(());
        call.write(wire.init_params().get_content());
    })
}

/// Stands for the exported capability while its pointer is written. `capnp` writes such a pointer only for an object;
/// the object is never called and goes when the message is written.
struct Exported;

impl registration_server::Server for Exported {}

pub(super) fn return_bootstrap(answer: u32) -> Bytes {
    let client: registration_server::Client = capnp_rpc::new_client(Exported);
    let mut table = Vec::with_capacity(1);
    let mut message: Builder<HeapAllocator> = Builder::new_default();
    let mut wire = message.init_root::<rpc::message::Builder<'_>>().init_return();
    wire.set_answer_id(answer);
    wire.set_release_param_caps(false);
    let mut results = wire.init_results();
    results.reborrow().init_cap_table(1).get(0).set_sender_hosted(BOOTSTRAP_EXPORT);
    let mut content = results.get_content();
    content.imbue_mut(&mut table);
    content.set_as_capability(client.client.hook);
    frame::encode_frame(&message)
}

pub(super) fn return_results(answer: u32, reply: &Reply) -> Bytes {
    message(|root| {
        let mut wire = root.init_return();
        wire.set_answer_id(answer);
        wire.set_release_param_caps(false);
        reply.write(wire.init_results().get_content());
    })
}

pub(super) fn return_exception(answer: u32, exception: &Exception) -> Bytes {
    message(|root| {
        let mut wire = root.init_return();
        wire.set_answer_id(answer);
        wire.set_release_param_caps(false);
        write_exception(wire.init_exception(), exception);
    })
}

pub(super) fn return_canceled(answer: u32) -> Bytes {
    message(|root| {
        let mut wire = root.init_return();
        wire.set_answer_id(answer);
        wire.set_release_param_caps(false);
        wire.set_canceled(());
    })
}

pub(super) fn finish(question: u32) -> Bytes {
    message(|root| {
        let mut wire = root.init_finish();
        wire.set_question_id(question);
        wire.set_release_result_caps(false);
    })
}

pub(super) fn release(import: u32) -> Bytes {
    message(|root| {
        let mut wire = root.init_release();
        wire.set_id(import);
        wire.set_reference_count(1);
    })
}

pub(super) fn abort(reason: &str) -> Bytes {
    message(|root| {
        write_exception(root.init_abort(), &Exception { kind: ExceptionKind::Failed, reason: reason.to_owned() })
    })
}

pub(super) fn unimplemented(original: rpc::message::Reader<'_>) -> Option<Bytes> {
    let mut message: Builder<HeapAllocator> = Builder::new_default();
    message.init_root::<rpc::message::Builder<'_>>().set_unimplemented(original).ok()?;
    Some(frame::encode_frame(&message))
}

fn write_exception(mut wire: rpc::exception::Builder<'_>, exception: &Exception) {
    wire.set_reason(exception.reason.as_str());
    wire.set_type(match exception.kind {
        ExceptionKind::Failed => rpc::exception::Type::Failed,
        ExceptionKind::Overloaded => rpc::exception::Type::Overloaded,
        ExceptionKind::Disconnected => rpc::exception::Type::Disconnected,
        ExceptionKind::Unimplemented => rpc::exception::Type::Unimplemented,
    });
}

/// An exception that cannot be read is still an exception.
pub(super) fn read_exception(wire: rpc::exception::Reader<'_>) -> Exception {
    let kind = match wire.get_type() {
        Ok(rpc::exception::Type::Overloaded) => ExceptionKind::Overloaded,
        Ok(rpc::exception::Type::Disconnected) => ExceptionKind::Disconnected,
        Ok(rpc::exception::Type::Unimplemented) => ExceptionKind::Unimplemented,
        Ok(rpc::exception::Type::Failed) | Err(_) => ExceptionKind::Failed,
    };
    let reason =
        wire.get_reason().map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned()).unwrap_or_default();
    Exception { kind, reason }
}

//! The answering role: the edge on the control stream and on streams that the connector opens, the connector on RPC
//! streams that the edge opens.

use super::wire::{self, BOOTSTRAP_EXPORT};
use super::{Call, Exception, ExceptionKind, MAX_MESSAGE, MAX_QUESTIONS, Method, Reply, RpcError};
use crate::frame::{FrameDecoder, MessageReader};
use bytes::Bytes;
use capnp_rpc::rpc_capnp as rpc;
use std::collections::{BTreeMap, VecDeque};

/// Which interfaces a server answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interfaces {
    /// The edge on the control stream.
    Registration,
    /// The edge on a stream that the connector opens.
    EdgeSessions,
    /// The connector on a stream that the edge opens.
    Connector,
}

impl Interfaces {
    fn answers(self, method: Method) -> bool {
        match self {
            Self::Registration => {
                matches!(
                    method,
                    Method::RegisterConnection | Method::UnregisterConnection | Method::UpdateLocalConfiguration
                )
            }
            Self::EdgeSessions => matches!(method, Method::UnregisterUdpSession),
            Self::Connector => {
                matches!(
                    method,
                    Method::RegisterUdpSession | Method::UnregisterUdpSession | Method::UpdateConfiguration
                )
            }
        }
    }
}

/// What a server tells its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerEvent {
    /// Answer with [`RpcServer::respond`] or [`RpcServer::fail`].
    Call {
        /// Names the call in the answer.
        question: u32,
        /// The call.
        call: Call,
    },
    /// The peer ended the connection, with its reason.
    Closed(String),
}

#[derive(Debug)]
enum Answer {
    /// Answered with the bootstrap capability.
    Bootstrap,
    /// The driver has the call.
    Pending,
    /// The driver has the call, and the peer does not want the answer any more.
    Canceled,
    /// Answered with a result or an exception.
    Returned,
}

/// Answers calls. Feed it with [`Self::handle_input`], then take everything from [`Self::poll_event`] and
/// [`Self::poll_output`]. After an error it is closed; the output then ends with an Abort for the peer.
#[derive(Debug)]
pub struct RpcServer {
    interfaces: Interfaces,
    decoder: FrameDecoder,
    answers: BTreeMap<u32, Answer>,
    /// How often the peer holds the bootstrap capability.
    references: u32,
    events: VecDeque<ServerEvent>,
    output: VecDeque<Bytes>,
    closed: bool,
}

impl RpcServer {
    /// A server before its first message.
    pub fn new(interfaces: Interfaces) -> Self {
        Self {
            interfaces,
            decoder: FrameDecoder::new(MAX_MESSAGE),
            answers: BTreeMap::new(),
            references: 0,
            events: VecDeque::new(),
            output: VecDeque::new(),
            closed: false,
        }
    }

    /// Refuses messages over `bytes` from now on. Without this the limit is [`MAX_MESSAGE`].
    pub fn set_message_limit(&mut self, bytes: usize) {
        self.decoder.set_limit(bytes);
    }

    /// Takes bytes from the peer.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), RpcError> {
        if self.closed {
            return Ok(());
        }
        self.decoder.handle_input(input);
        self.handle_messages().inspect_err(|error| {
            self.closed = true;
            self.output.push_back(wire::abort(&error.to_string()));
        })
    }

    /// The next event for the driver.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// The next bytes for the peer.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output.pop_front()
    }

    /// No message of the peer is looked at any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Answers a call. A question that is not open is ignored.
    pub fn respond(&mut self, question: u32, reply: &Reply) {
        self.answer(question, || wire::return_results(question, reply));
    }

    /// Answers a call with an exception. A question that is not open is ignored.
    pub fn fail(&mut self, question: u32, exception: &Exception) {
        self.answer(question, || wire::return_exception(question, exception));
    }

    /// Ends the connection in good order.
    pub fn close(&mut self, reason: &str) {
        if !self.closed {
            self.closed = true;
            self.output.push_back(wire::abort(reason));
        }
    }

    fn answer(&mut self, question: u32, message: impl FnOnce() -> Bytes) {
        if self.closed {
            return;
        }
        match self.answers.get_mut(&question) {
            Some(answer @ Answer::Pending) => {
                *answer = Answer::Returned;
                self.output.push_back(message());
            }
            Some(Answer::Canceled) => {
                self.answers.remove(&question);
                self.output.push_back(wire::return_canceled(question));
            }
            Some(Answer::Bootstrap | Answer::Returned) | None => {}
        }
    }

    fn handle_messages(&mut self) -> Result<(), RpcError> {
        while !self.closed
            && let Some(message) = self.decoder.poll_message()?
        {
            self.handle_message(&message)?;
        }
        Ok(())
    }

    fn handle_message(&mut self, message: &MessageReader) -> Result<(), RpcError> {
        use rpc::message::Which;
        let root = message.get_root::<rpc::message::Reader<'_>>()?;
        let Ok(which) = root.which() else {
            self.output.extend(wire::unimplemented(root));
            return Ok(());
        };
        match which {
            Which::Bootstrap(bootstrap) => self.handle_bootstrap(bootstrap?.get_question_id()),
            Which::Call(call) => self.handle_call(call?),
            Which::Finish(finish) => {
                let finish = finish?;
                self.handle_finish(finish.get_question_id(), finish.get_release_result_caps());
                Ok(())
            }
            Which::Release(release) => {
                let release = release?;
                if release.get_id() == BOOTSTRAP_EXPORT {
                    self.references = self.references.saturating_sub(release.get_reference_count());
                }
                Ok(())
            }
            Which::Abort(exception) => {
                self.closed = true;
                self.events.push_back(ServerEvent::Closed(wire::read_exception(exception?).reason));
                Ok(())
            }
            // An answer to something of ours that the peer does not know: nothing of ours can do without an answer.
            Which::Unimplemented(_) => Ok(()),
            Which::Return(_) => Err(RpcError::Protocol("an answer to a question that was never asked")),
            Which::Resolve(_)
            | Which::Disembargo(_)
            | Which::ObsoleteSave(_)
            | Which::ObsoleteDelete(_)
            | Which::Provide(_)
            | Which::Accept(_)
            | Which::Join(_) => {
                self.output.extend(wire::unimplemented(root));
                Ok(())
            }
        }
    }

    fn open(&mut self, question: u32, answer: Answer) -> Result<(), RpcError> {
        if self.answers.len() >= MAX_QUESTIONS {
            return Err(RpcError::TooManyQuestions);
        }
        if self.answers.insert(question, answer).is_some() {
            return Err(RpcError::Protocol("a question id is used again while it is open"));
        }
        Ok(())
    }

    fn handle_bootstrap(&mut self, question: u32) -> Result<(), RpcError> {
        self.open(question, Answer::Bootstrap)?;
        self.references = self.references.saturating_add(1);
        self.output.push_back(wire::return_bootstrap(question));
        Ok(())
    }

    fn handle_call(&mut self, call: rpc::call::Reader<'_>) -> Result<(), RpcError> {
        let question = call.get_question_id();
        self.open(question, Answer::Pending)?;
        match self.read_call(call) {
            Ok(call) => self.events.push_back(ServerEvent::Call { question, call }),
            Err(exception) => self.fail(question, &exception),
        }
        Ok(())
    }

    /// A call that cannot be read fails alone; the connection goes on.
    fn read_call(&self, call: rpc::call::Reader<'_>) -> Result<Call, Exception> {
        let failed = |reason: String| Exception { kind: ExceptionKind::Failed, reason };
        let malformed = |error: RpcError| failed(error.to_string());
        self.check_target(call.get_target().map_err(|error| malformed(error.into()))?).map_err(failed)?;
        if !matches!(call.get_send_results_to().which(), Ok(rpc::call::send_results_to::Which::Caller(()))) {
            return Err(Exception {
                kind: ExceptionKind::Unimplemented,
                reason: "results go to the caller only".to_owned(),
            });
        }
        let (interface, ordinal) = (call.get_interface_id(), call.get_method_id());
        let method = Method::from_wire_id(interface, ordinal).filter(|method| self.interfaces.answers(*method));
        let Some(method) = method else {
            let reason = format!("method {ordinal} of interface {interface:#018x} is not served here");
            return Err(Exception { kind: ExceptionKind::Unimplemented, reason });
        };
        let params = call.get_params().map_err(|error| malformed(error.into()))?;
        Call::read(method, params.get_content()).map_err(malformed)
    }

    fn check_target(&self, target: rpc::message_target::Reader<'_>) -> Result<(), String> {
        use rpc::message_target::Which;
        match target.which() {
            Ok(Which::ImportedCap(id)) if id == BOOTSTRAP_EXPORT && self.references > 0 => Ok(()),
            Ok(Which::ImportedCap(id)) => Err(format!("capability {id} is not exported")),
            Ok(Which::PromisedAnswer(promised)) => {
                let promised = promised.map_err(|error| error.to_string())?;
                let question = promised.get_question_id();
                if !matches!(self.answers.get(&question), Some(Answer::Bootstrap)) {
                    return Err(format!("question {question} does not give a capability"));
                }
                for step in promised.get_transform().map_err(|error| error.to_string())?.iter().take(MAX_QUESTIONS) {
                    if !matches!(step.which(), Ok(rpc::promised_answer::op::Which::Noop(()))) {
                        return Err("the bootstrap capability has no fields".to_owned());
                    }
                }
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn handle_finish(&mut self, question: u32, release: bool) {
        match self.answers.get_mut(&question) {
            Some(Answer::Bootstrap) => {
                if release {
                    self.references = self.references.saturating_sub(1);
                }
                self.answers.remove(&question);
            }
            Some(answer @ Answer::Pending) => *answer = Answer::Canceled,
            Some(Answer::Returned) => {
                self.answers.remove(&question);
            }
            Some(Answer::Canceled) | None => {}
        }
    }
}

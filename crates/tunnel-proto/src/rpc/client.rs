//! The calling role: the connector on the control stream, the edge on RPC streams that it opens.

use super::wire::{self, Target};
use super::{Call, Exception, MAX_MESSAGE, Method, Reply, RpcError, SHUTDOWN};
use crate::frame::{FrameDecoder, MessageReader};
use bytes::Bytes;
use capnp_rpc::rpc_capnp as rpc;
use std::collections::{BTreeMap, VecDeque};

/// The question that asks for the bootstrap capability, always the first.
const BOOTSTRAP_QUESTION: u32 = 0;

/// What a client tells its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// A call has its result.
    Returned {
        /// As [`RpcClient::call`] named it.
        question: u32,
        /// The result.
        reply: Reply,
    },
    /// A call ended without a result.
    Failed {
        /// As [`RpcClient::call`] named it.
        question: u32,
        /// The peer's reason.
        exception: Exception,
    },
    /// The peer ended the connection, with its reason.
    Closed(String),
}

#[derive(Clone, Copy, Debug)]
enum Capability {
    /// Asked for, not there yet: calls are pipelined.
    Promised,
    /// The peer's export id.
    Imported(u32),
}

/// Makes calls on the peer's bootstrap capability. The first call is pipelined on the question for it, so that it costs
/// no round trip. Feed it with [`Self::handle_input`], then take everything from [`Self::poll_event`] and [`Self::poll_output`].
#[derive(Debug)]
pub struct RpcClient {
    decoder: FrameDecoder,
    capability: Option<Capability>,
    next_question: u32,
    questions: BTreeMap<u32, Method>,
    events: VecDeque<ClientEvent>,
    output: VecDeque<Bytes>,
    closed: bool,
}

impl Default for RpcClient {
    fn default() -> Self {
        Self::new()
    }
}

impl RpcClient {
    /// A client before its first call. Nothing is sent until then.
    pub fn new() -> Self {
        Self {
            decoder: FrameDecoder::new(MAX_MESSAGE),
            capability: None,
            next_question: BOOTSTRAP_QUESTION + 1,
            questions: BTreeMap::new(),
            events: VecDeque::new(),
            output: VecDeque::new(),
            closed: false,
        }
    }

    /// Makes a call; the answer comes as an event with the number given back here.
    pub fn call(&mut self, call: &Call) -> u32 {
        let question = self.next_question;
        self.next_question = self.next_question.wrapping_add(1).max(BOOTSTRAP_QUESTION + 1);
        if self.closed {
            return question;
        }
        let target = match self.capability {
            Some(Capability::Imported(id)) => Target::Imported(id),
            Some(Capability::Promised) => Target::Promised(BOOTSTRAP_QUESTION),
            None => {
                self.output.push_back(wire::bootstrap(BOOTSTRAP_QUESTION));
                self.capability = Some(Capability::Promised);
                Target::Promised(BOOTSTRAP_QUESTION)
            }
        };
        self.output.push_back(wire::call(question, target, call));
        self.questions.insert(question, call.method());
        question
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
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
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

    /// Gives the capability back and ends the connection in good order.
    pub fn close(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        if let Some(Capability::Imported(id)) = self.capability.take() {
            self.output.push_back(wire::release(id));
        }
        self.output.push_back(wire::abort(SHUTDOWN));
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
            Which::Return(answer) => self.handle_return(answer?),
            Which::Abort(exception) => {
                self.closed = true;
                self.events.push_back(ClientEvent::Closed(wire::read_exception(exception?).reason));
                Ok(())
            }
            Which::Unimplemented(_) => Err(RpcError::Protocol("the peer does not know a message that it must know")),
            // The peer releases or finishes what it never had: harmless.
            Which::Release(_) | Which::Finish(_) => Ok(()),
            Which::Bootstrap(_)
            | Which::Call(_)
            | Which::Resolve(_)
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

    fn handle_return(&mut self, answer: rpc::return_::Reader<'_>) -> Result<(), RpcError> {
        let question = answer.get_answer_id();
        if question == BOOTSTRAP_QUESTION {
            return self.handle_bootstrap_return(answer);
        }
        let Some(method) = self.questions.remove(&question) else {
            return Err(RpcError::Protocol("an answer to a question that was never asked"));
        };
        if !answer.get_no_finish_needed() {
            self.output.push_back(wire::finish(question));
        }
        self.events.push_back(match read_return(answer)? {
            Ok(results) => ClientEvent::Returned { question, reply: Reply::read(method, results.get_content())? },
            Err(exception) => ClientEvent::Failed { question, exception },
        });
        Ok(())
    }

    fn handle_bootstrap_return(&mut self, answer: rpc::return_::Reader<'_>) -> Result<(), RpcError> {
        if !matches!(self.capability, Some(Capability::Promised)) {
            return Err(RpcError::Protocol("an answer to a question that was never asked"));
        }
        // An exception needs no handling of its own: every call pipelined on the question fails as well.
        if let Ok(results) = read_return(answer)? {
            let export = results.get_cap_table()?.iter().take(1).find_map(|descriptor| match descriptor.which() {
                Ok(rpc::cap_descriptor::Which::SenderHosted(id) | rpc::cap_descriptor::Which::SenderPromise(id)) => {
                    Some(id)
                }
                _ => None,
            });
            let Some(export) = export else {
                return Err(RpcError::Protocol("the peer has no bootstrap capability"));
            };
            self.capability = Some(Capability::Imported(export));
        }
        if !answer.get_no_finish_needed() {
            self.output.push_back(wire::finish(BOOTSTRAP_QUESTION));
        }
        Ok(())
    }
}

fn read_return<'a>(answer: rpc::return_::Reader<'a>) -> Result<Result<rpc::payload::Reader<'a>, Exception>, RpcError> {
    use rpc::return_::Which;
    match answer.which()? {
        Which::Results(results) => Ok(Ok(results?)),
        Which::Exception(exception) => Ok(Err(wire::read_exception(exception?))),
        Which::Canceled(())
        | Which::ResultsSentElsewhere(())
        | Which::TakeFromOtherQuestion(_)
        | Which::AcceptFromThirdParty(_) => Err(RpcError::Protocol("an answer of a kind that was not asked for")),
    }
}

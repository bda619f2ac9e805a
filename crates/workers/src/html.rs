//! Rewriting HTML as it streams, by lol_html, whose handlers are answered from outside: the rewriter runs as a coroutine that stops at each
//! thing a handler is to see, and goes on with the edits. Knows nothing of JavaScript.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use encoding_rs::Encoding;
use isolate::{Coroutine, Suspender};
use lol_html::html_content::{Comment, ContentType, Doctype, DocumentEnd, Element, EndTag, TextChunk};
use lol_html::{
    AsciiCompatibleEncoding, DocumentContentHandlers, ElementContentHandlers, HandlerResult, HtmlRewriter,
    MemorySettings, Selector, Settings,
};

/// The most memory that the parser of one rewriter may use, for what cannot be passed on yet.
pub(crate) const MEMORY: usize = 8 * 1024 * 1024;
/// The longest selector. Longer ones, and deeper ones, would need too much of the thread's stack.
const LONGEST_SELECTOR: usize = 4096;
const DEEPEST_SELECTOR: usize = 16;

/// What a set of handlers wants to see, and the selector of the elements or `None` for the document.
pub(crate) struct Handlers {
    selector: Option<Selector>,
    wants: String,
}

impl Handlers {
    /// `wants` has a letter for each: `e`lements, `c`omments, `t`ext, and of documents `d`octype and en`D`.
    ///
    /// # Errors
    /// A sentence about the selector.
    pub(crate) fn new(selector: Option<&str>, wants: String) -> Result<Handlers, String> {
        let selector = match selector {
            None => None,
            Some(text) if text.len() > LONGEST_SELECTOR || text.matches('(').count() > DEEPEST_SELECTOR => {
                return Err("The selector is too long or too deep.".to_owned());
            }
            Some(text) => Some(text.parse::<Selector>().map_err(|error| format!("Parser error: {error}"))?),
        };
        Ok(Handlers { selector, wants })
    }
}

/// What the rewriter goes on with.
pub(crate) enum Input {
    /// A piece of the document.
    Piece(Vec<u8>),
    /// The document's end.
    End,
    /// The answer of a handler.
    Edits(Vec<String>),
    /// The handler failed: so does the rewriter.
    Abort,
}

/// Where the rewriter stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It needs an `Input::Piece` or `Input::End`.
    NeedsInput,
    /// A handler is to answer: which kind, which handlers (by index; for an end tag the number that the edit gave), and what it sees.
    Handler { kind: &'static str, index: u32, facts: Vec<String> },
    /// All is done.
    Done,
    /// It failed.
    Failed(String),
}

/// A rewriter.
pub(crate) struct Rewriter {
    coroutine: Coroutine<Input, Stop>,
    output: Rc<RefCell<Vec<u8>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the rewriter was stopped")]
struct Stopped;

type Suspend = Suspender<Input, Stop>;

impl Rewriter {
    /// For a document in the encoding of this label.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn new(handlers: Vec<Handlers>, encoding: &str) -> Result<Rewriter, String> {
        let output = Rc::new(RefCell::new(Vec::new()));
        let sink = output.clone();
        let encoding = Encoding::for_label_no_replacement(encoding.as_bytes())
            .and_then(AsciiCompatibleEncoding::new)
            .unwrap_or_else(AsciiCompatibleEncoding::utf_8);
        let coroutine = Coroutine::new(move |suspend: &Suspend, input| run(suspend, input, handlers, encoding, &sink))
            .map_err(|error| error.to_string())?;
        Ok(Rewriter { coroutine, output })
    }

    /// Goes on until the next stop. Gives what came out meanwhile.
    pub(crate) fn resume(&mut self, input: Input) -> (Stop, Vec<u8>) {
        let stop = self.coroutine.resume(input).unwrap_or(Stop::Done);
        (stop, std::mem::take(&mut *self.output.borrow_mut()))
    }
}

/// The body of the coroutine.
fn run(
    suspend: &Suspend,
    first: Input,
    handlers: Vec<Handlers>,
    encoding: AsciiCompatibleEncoding,
    output: &Rc<RefCell<Vec<u8>>>,
) {
    let mut settings = Settings::new()
        .with_encoding(encoding)
        .with_strict(false)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY));
    for (index, Handlers { selector, wants }) in (0..).zip(handlers) {
        settings = match selector {
            Some(selector) => {
                settings.append_element_content_handler((Cow::Owned(selector), for_elements(suspend, index, &wants)))
            }
            None => settings.append_document_content_handler(for_document(suspend, index, &wants)),
        };
    }
    let sink = output.clone();
    let mut rewriter = HtmlRewriter::new(settings, move |chunk: &[u8]| sink.borrow_mut().extend_from_slice(chunk));
    let mut input = first;
    let failure = loop {
        let written = match input {
            Input::Piece(piece) => rewriter.write(&piece),
            Input::End => break rewriter.end().err(),
            Input::Edits(_) | Input::Abort => Ok(()),
        };
        if let Err(error) = written {
            break Some(error);
        }
        match suspend.suspend(Stop::NeedsInput) {
            Ok(next) => input = next,
            Err(_) => return,
        }
    };
    if let Some(failure) = failure {
        let _ = suspend.suspend(Stop::Failed(failure.to_string()));
    }
}

/// Stops for a handler and gives its edits.
fn ask(suspend: &Suspend, kind: &'static str, index: u32, facts: Vec<String>) -> Result<Vec<String>, Stopped> {
    match suspend.suspend(Stop::Handler { kind, index, facts }) {
        Ok(Input::Edits(edits)) => Ok(edits),
        _ => Err(Stopped),
    }
}

/// Comments are the same to elements and to the document; so is text.
fn comment_handler(suspend: Suspend, index: u32) -> impl FnMut(&mut Comment<'_>) -> HandlerResult + 'static {
    move |comment: &mut Comment<'_>| on_comment(&suspend, index, comment)
}

fn text_handler(suspend: Suspend, index: u32) -> impl FnMut(&mut TextChunk<'_>) -> HandlerResult + 'static {
    move |text: &mut TextChunk<'_>| on_text(&suspend, index, text)
}

fn for_elements(suspend: &Suspend, index: u32, wants: &str) -> ElementContentHandlers<'static> {
    let mut handlers = ElementContentHandlers::default();
    if wants.contains('e') {
        let suspend = suspend.clone();
        handlers = handlers.element(move |element: &mut Element<'_, '_>| on_element(&suspend, index, element));
    }
    if wants.contains('c') {
        handlers = handlers.comments(comment_handler(suspend.clone(), index));
    }
    if wants.contains('t') {
        handlers = handlers.text(text_handler(suspend.clone(), index));
    }
    handlers
}

fn for_document(suspend: &Suspend, index: u32, wants: &str) -> DocumentContentHandlers<'static> {
    let mut handlers = DocumentContentHandlers::default();
    if wants.contains('d') {
        let suspend = suspend.clone();
        handlers = handlers.doctype(move |doctype: &mut Doctype<'_>| on_doctype(&suspend, index, doctype));
    }
    if wants.contains('c') {
        handlers = handlers.comments(comment_handler(suspend.clone(), index));
    }
    if wants.contains('t') {
        handlers = handlers.text(text_handler(suspend.clone(), index));
    }
    if wants.contains('D') {
        let suspend = suspend.clone();
        handlers = handlers.end(move |end: &mut DocumentEnd<'_>| on_end(&suspend, index, end));
    }
    handlers
}

fn flag(value: bool) -> String {
    if value { "1" } else { "" }.to_owned()
}

/// Edits come as names with their arguments: `before`, `after`, … with the content and `html` or `text`.
struct Edits(std::vec::IntoIter<String>);

impl Edits {
    fn next(&mut self) -> String {
        self.0.next().unwrap_or_default()
    }

    fn content(&mut self) -> (String, ContentType) {
        let content = self.next();
        let kind = if self.next() == "html" { ContentType::Html } else { ContentType::Text };
        (content, kind)
    }
}

fn on_element(suspend: &Suspend, index: u32, element: &mut Element<'_, '_>) -> HandlerResult {
    let mut facts = vec![
        element.tag_name(),
        element.namespace_uri().to_owned(),
        flag(element.removed()),
        flag(element.can_have_content()),
    ];
    for attribute in element.attributes() {
        facts.extend([attribute.name(), attribute.value()]);
    }
    let mut edits = Edits(ask(suspend, "element", index, facts)?.into_iter());
    while let Some(edit) = edits.0.next() {
        match edit.as_str() {
            "tagName" => element.set_tag_name(&edits.next())?,
            "setAttribute" => element.set_attribute(&edits.next(), &edits.next())?,
            "removeAttribute" => element.remove_attribute(&edits.next()),
            "before" => with(edits.content(), |content, kind| element.before(content, kind)),
            "after" => with(edits.content(), |content, kind| element.after(content, kind)),
            "prepend" => with(edits.content(), |content, kind| element.prepend(content, kind)),
            "append" => with(edits.content(), |content, kind| element.append(content, kind)),
            "replace" => with(edits.content(), |content, kind| element.replace(content, kind)),
            "setInnerContent" => with(edits.content(), |content, kind| element.set_inner_content(content, kind)),
            "remove" => element.remove(),
            "removeAndKeepContent" => element.remove_and_keep_content(),
            "onEndTag" => {
                let number = edits.next().parse().unwrap_or(0);
                let suspend = suspend.clone();
                // An element that cannot have content has no end tag.
                if let Some(handlers) = element.end_tag_handlers() {
                    handlers.push(Box::new(move |tag: &mut EndTag<'_>| on_end_tag(&suspend, number, tag)));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn with((content, kind): (String, ContentType), apply: impl FnOnce(&str, ContentType)) {
    apply(&content, kind);
}

fn on_end_tag(suspend: &Suspend, number: u32, tag: &mut EndTag<'_>) -> HandlerResult {
    let mut edits = Edits(ask(suspend, "endTag", number, vec![tag.name()])?.into_iter());
    while let Some(edit) = edits.0.next() {
        match edit.as_str() {
            "name" => tag.set_name(edits.next()),
            "before" => with(edits.content(), |content, kind| tag.before(content, kind)),
            "after" => with(edits.content(), |content, kind| tag.after(content, kind)),
            "remove" => tag.remove(),
            _ => {}
        }
    }
    Ok(())
}

fn on_comment(suspend: &Suspend, index: u32, comment: &mut Comment<'_>) -> HandlerResult {
    let mut edits = Edits(ask(suspend, "comments", index, vec![comment.text(), flag(comment.removed())])?.into_iter());
    while let Some(edit) = edits.0.next() {
        match edit.as_str() {
            "text" => comment.set_text(&edits.next())?,
            "before" => with(edits.content(), |content, kind| comment.before(content, kind)),
            "after" => with(edits.content(), |content, kind| comment.after(content, kind)),
            "replace" => with(edits.content(), |content, kind| comment.replace(content, kind)),
            "remove" => comment.remove(),
            _ => {}
        }
    }
    Ok(())
}

fn on_text(suspend: &Suspend, index: u32, text: &mut TextChunk<'_>) -> HandlerResult {
    let facts = vec![text.as_str().to_owned(), flag(text.removed()), flag(text.last_in_text_node())];
    let mut edits = Edits(ask(suspend, "text", index, facts)?.into_iter());
    while let Some(edit) = edits.0.next() {
        match edit.as_str() {
            "before" => with(edits.content(), |content, kind| text.before(content, kind)),
            "after" => with(edits.content(), |content, kind| text.after(content, kind)),
            "replace" => with(edits.content(), |content, kind| text.replace(content, kind)),
            "remove" => text.remove(),
            _ => {}
        }
    }
    Ok(())
}

fn on_doctype(suspend: &Suspend, index: u32, doctype: &mut Doctype<'_>) -> HandlerResult {
    // A missing part is told from an empty one by the mark before it.
    let part = |part: Option<String>| part.map_or_else(String::new, |part| format!("={part}"));
    let facts = vec![part(doctype.name()), part(doctype.public_id()), part(doctype.system_id())];
    if ask(suspend, "doctype", index, facts)?.iter().any(|edit| edit == "remove") {
        doctype.remove();
    }
    Ok(())
}

fn on_end(suspend: &Suspend, index: u32, end: &mut DocumentEnd<'_>) -> HandlerResult {
    let mut edits = Edits(ask(suspend, "end", index, Vec::new())?.into_iter());
    while let Some(edit) = edits.0.next() {
        if edit == "append" {
            with(edits.content(), |content, kind| end.append(content, kind));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rewriter(specs: &[(Option<&str>, &str)]) -> Rewriter {
        let handlers = specs.iter().map(|(selector, wants)| Handlers::new(*selector, (*wants).to_owned()).unwrap());
        Rewriter::new(handlers.collect(), "utf-8").unwrap()
    }

    fn strings(list: &[&str]) -> Input {
        Input::Edits(list.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn handlers_are_answered_in_the_middle() {
        let mut rewriter = rewriter(&[(Some("a[href]"), "e"), (None, "D")]);
        let (stop, output) = rewriter.resume(Input::Piece(b"<p>one <a href=x>two".to_vec()));
        let facts = ["a", "http://www.w3.org/1999/xhtml", "", "1", "href", "x"].map(str::to_owned).to_vec();
        assert_eq!(stop, Stop::Handler { kind: "element", index: 0, facts });
        assert_eq!(output, b"<p>one ");
        let edits = ["setAttribute", "href", "y", "before", "<b>", "text", "onEndTag", "7"];
        assert_eq!(rewriter.resume(strings(&edits)).0, Stop::NeedsInput);
        let (stop, output) = rewriter.resume(Input::Piece(b"</a>".to_vec()));
        assert_eq!(stop, Stop::Handler { kind: "endTag", index: 7, facts: vec!["a".to_owned()] });
        assert_eq!(output, b"");
        let (stop, output) = rewriter.resume(strings(&["before", "<i>", "html"]));
        assert_eq!((stop, output.as_slice()), (Stop::NeedsInput, &b"<i></a>"[..]));
        assert!(matches!(rewriter.resume(Input::End).0, Stop::Handler { kind: "end", index: 1, .. }));
        let (stop, output) = rewriter.resume(strings(&["append", "!", "text"]));
        assert_eq!((stop, output.as_slice()), (Stop::Done, &b"!"[..]));
    }

    #[test]
    fn a_handler_that_fails_stops_it() {
        let mut rewriter = rewriter(&[(Some("p"), "ect")]);
        assert!(matches!(rewriter.resume(Input::Piece(b"<p>".to_vec())).0, Stop::Handler { .. }));
        assert!(matches!(rewriter.resume(Input::Abort).0, Stop::Failed(_)));
        assert_eq!(rewriter.resume(Input::End).0, Stop::Done);
        assert!(Handlers::new(Some("a:::b"), String::new()).is_err());
        assert!(Handlers::new(Some(&":not(".repeat(1000)), String::new()).is_err());
    }
}

//! Bodies that are compressed or decompressed while they flow.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use invocation::{Body, BodyError};

use super::{Coder, Format, Step};

/// A body without the compression that it has.
pub(crate) fn decoded(body: Body, format: Format) -> Body {
    CodedBody { body, coder: Coder::decompress(format), begun: false, over: false }.boxed_unsync()
}

/// A body, compressed.
pub(crate) fn encoded(body: Body, format: Format) -> Body {
    CodedBody { body, coder: Coder::compress(format, None), begun: true, over: false }.boxed_unsync()
}

struct CodedBody {
    body: Body,
    coder: Coder,
    /// There is something to be coded: a body of no bytes at all is no compressed data either.
    begun: bool,
    over: bool,
}

impl http_body::Body for CodedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        while !this.over {
            match this.coder.step() {
                Step::Output(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                Step::Failed(reason) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(BodyError::Encoding(reason.to_owned()))));
                }
                Step::Nothing if this.coder.is_last() => this.over = true,
                Step::Nothing => match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                    None if this.begun => this.coder.end(),
                    None => this.over = true,
                    Some(Err(error)) => {
                        this.over = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data()
                            && !data.is_empty()
                        {
                            this.begun = true;
                            this.coder.give(data.into());
                        }
                    }
                },
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_is_encoded_is_decoded() {
        for format in [Format::Gzip, Format::Brotli] {
            let packed = encoded(invocation::full("in stock ".repeat(1000)), format);
            let text = decoded(packed, format).collect().await.unwrap().to_bytes();
            assert_eq!(text, "in stock ".repeat(1000));
            assert_eq!(decoded(invocation::empty(), format).collect().await.unwrap().to_bytes(), "");
            let broken = decoded(invocation::full("plain"), format).collect().await.unwrap_err();
            assert!(matches!(broken, BodyError::Encoding(_)), "{broken}");
        }
    }
}

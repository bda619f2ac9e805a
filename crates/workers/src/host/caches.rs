//! The Cache API: looking for a response, keeping one, forgetting one.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{AGE, CONTENT_LENGTH, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use invocation::Body;
use isolate::{Arguments, Scope, Throw, Value};

use super::bodies::{Wanted, compressed};
use super::headers::unflatten;
use super::invocations::announced_length;
use super::outgoing::Outgoing;
use super::{Host, id, number, optional_string};
use crate::cache::{CacheKey, CachedResponse, Storable, answer, storable};
use crate::coding::Format;
use crate::event::{Completion, HostError};

/// What Cloudflare adds to a response from the cache.
static STATUS: HeaderName = HeaderName::from_static("cf-cache-status");

impl Host {
    fn cache_key(&self, arguments: &Arguments<'_>) -> Result<CacheKey, Throw> {
        Ok(CacheKey {
            worker: self.version().name.to_string(),
            cache: optional_string(arguments, 1)?,
            url: arguments.string(2)?,
        })
    }
}

/// `cacheMatch(invocation, cache, url, headers)`
pub(super) fn find(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let request = unflatten(&arguments.strings(3)?).map_err(Throw::TypeError)?;
    let search = host.services.options.cache.get(host.cache_key(arguments)?);
    let operation = host.begin_task(id(arguments, 0)?, async move {
        let found = search.await.map(|mut found| {
            let age = SystemTime::now().duration_since(found.stored).unwrap_or(Duration::ZERO);
            found.headers.insert(AGE, HeaderValue::from(age.as_secs()));
            found.headers.insert(&STATUS, HeaderValue::from_static("HIT"));
            answer(found, &request)
        });
        Completion::Cached(found.map(Box::new))
    })?;
    Ok(number(operation))
}

/// `cachePut(invocation, cache, url, status, headers, body)`
pub(super) fn put(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let owner = id(arguments, 0)?;
    let key = host.cache_key(arguments)?;
    let status = u16::try_from(id(arguments, 3)?).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| Throw::RangeError("The status is not one of HTTP.".to_owned()))?;
    let mut headers = unflatten(&arguments.strings(4)?).map_err(Throw::TypeError)?;
    let mut sink = 0;
    let format = Format::of(&headers);
    let (body, recoded) = match Outgoing::from(arguments, 5, &host.seat.ledger)? {
        Outgoing::None => (invocation::empty(), false),
        Outgoing::Whole(bytes) => compressed(invocation::full(bytes), format),
        Outgoing::Native(body) => host.bodies.borrow_mut().give_away(owner, body, Wanted::In(format))?,
        Outgoing::Script => {
            let (id, body) = host.sink(owner, None, announced_length(&headers))?;
            sink = id;
            compressed(body, format)
        }
    };
    if recoded {
        headers.remove(CONTENT_LENGTH);
    }
    let cache = host.services.options.cache.clone();
    let now = SystemTime::now();
    let kept = storable(status, &headers, now);
    let operation = host.begin_task(owner, async move {
        // Also what is not kept is read, as whoever writes it waits for that.
        let largest = if kept == Storable::No { None } else { Some(cache.largest_body()) };
        let body = match collect(body, largest).await {
            Ok(body) => body,
            Err(error) => return Completion::Failed(error),
        };
        if let (Storable::For { lifetime, without }, Some(body)) = (kept, body) {
            for name in without {
                headers.remove(name);
            }
            // A time beyond what the clock can say is as good as never.
            let expires = now.checked_add(lifetime).unwrap_or(now + Duration::from_secs(1 << 32));
            cache.put(key, CachedResponse { status, headers, body, stored: now, expires }).await;
        }
        Completion::Done
    })?;
    Ok(Value::List(vec![number(operation), number(sink)]))
}

/// All of a body; `None` when it is not to be kept and was only read.
async fn collect(mut body: Body, largest: Option<usize>) -> Result<Option<Bytes>, HostError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| HostError::from(&error))?.into_data() else { continue };
        let Some(largest) = largest else { continue };
        if bytes.len() + data.len() > largest {
            let message = format!("The response is too large for the cache: a body may have {largest} bytes.");
            return Err(HostError::error(message));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(largest.map(|_| bytes.freeze()))
}

/// `cacheDelete(invocation, cache, url)`
pub(super) fn delete(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let deletion = host.services.options.cache.delete(host.cache_key(arguments)?);
    let operation = host.begin_task(id(arguments, 0)?, async move { Completion::CacheDeleted(deletion.await) })?;
    Ok(number(operation))
}

//! The numbers that errors of the API carry: Cloudflare's where it has one for the case (known clients act on some
//! of them), and numbers from 20000 on where it has none. One table; [`ALL`] lists it for the documentation.

/// One kind of error of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The `code` of the error object.
    pub number: u32,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $status:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: Code = Code {
            number: $number,
            status: $status,
            meaning: concat!($($doc),+).trim_ascii(),
        };)+

        /// Every code, by number.
        pub const ALL: &[Code] = &[$($name),+];
    };
}

codes! {
    /// There is no tunnel with this identifier.
    TUNNEL_NOT_FOUND = 1003, 404;
    /// Another tunnel that is not deleted has this name.
    TUNNEL_NAME_TAKEN = 1013, 409;
    /// The Authorization header is not of the form `Bearer TOKEN`.
    MALFORMED_AUTHORIZATION = 6003, 401;
    /// The body is not JSON, or not of the expected form.
    MALFORMED_JSON = 6007, 400;
    /// There is nothing at this path.
    NO_ROUTE = 7000, 404;
    /// The path names an account or an identifier that cannot exist.
    BAD_IDENTIFIER = 7003, 404;
    /// The request carries no API token.
    MISSING_TOKEN = 9106, 401;
    /// The API token is unknown, expired or revoked.
    INVALID_TOKEN = 9109, 401;
    /// There is no Worker of this name.
    WORKER_NOT_FOUND = 10007, 404;
    /// Culvert itself failed; its log says why.
    INTERNAL = 10013, 500;
    /// The Worker's name cannot be used.
    BAD_WORKER_NAME = 10016, 400;
    /// The upload was understood and cannot be accepted: a module, a binding or a setting is wrong.
    VALIDATION = 10021, 400;
    /// The upload is not a multipart form with a `metadata` part in JSON.
    MALFORMED_UPLOAD = 10026, 400;
    /// The modules are larger than 64 MiB together.
    WORKER_TOO_LARGE = 10027, 413;
    /// Somebody else changed the Worker at the same time.
    CONCURRENT_CHANGE = 10035, 409;
    /// The account has as many Workers as it may have.
    TOO_MANY_WORKERS = 10037, 403;
    /// A binding has no name.
    UNNAMED_BINDING = 10052, 400;
    /// A variable is larger than 5 KB.
    VARIABLE_TOO_LARGE = 10054, 400;
    /// There are more than 128 variables.
    TOO_MANY_VARIABLES = 10055, 400;
    /// There is no secret of this name.
    BINDING_NOT_FOUND = 10056, 404;
    /// A binding is to be inherited that the version before does not have.
    INVALID_INHERIT = 10057, 400;
    /// The script has no event handlers.
    NO_HANDLERS = 10068, 400;
    /// The script has event handlers for what Culvert does not have only.
    UNAVAILABLE_HANDLERS = 10069, 400;
    /// There is no Worker of this name (asked for as a service).
    SERVICE_NOT_FOUND = 10090, 404;
    /// A module has a content type that is not known.
    UNSUPPORTED_MODULE_TYPE = 10162, 400;
    /// There is no workflow of this name: workflows are not available in Culvert.
    WORKFLOW_NOT_FOUND = 10200, 404;
    /// The latest version is not deployed, so that a secret cannot be changed in place.
    LATEST_NOT_DEPLOYED = 10215, 409;
    /// The deployment goes back to a version from before a secret was changed; `force=true` does so all the same.
    SECRETS_CHANGED = 10220, 409;
    /// The path exists, but not for this method.
    METHOD_NOT_ALLOWED = 10405, 405;
    /// A field of the request has a wrong value; `source.pointer` names it.
    INVALID_FIELD = 20000, 400;
    /// There is no such thing.
    NOT_FOUND = 20001, 404;
    /// The name is taken.
    ALREADY_EXISTS = 20002, 409;
    /// It is used by others, which the message names.
    IN_USE = 20003, 409;
    /// The account has as many of these as it may have.
    QUOTA_EXCEEDED = 20004, 403;
    /// The request's body is larger than this call takes.
    BODY_TOO_LARGE = 20005, 413;
    /// The request's body did not arrive in time, or not to its end.
    BODY_INCOMPLETE = 20006, 408;
    /// The API token lacks a permission, which the message names.
    MISSING_PERMISSION = 20007, 403;
    /// Too many requests with a wrong API token from this address.
    TOO_MANY_FAILED_LOGINS = 20008, 429;
    /// What this call needs cannot be had right now.
    UNAVAILABLE = 20009, 503;
    /// The request itself cannot be understood.
    BAD_REQUEST = 20010, 400;
    /// Culvert does not have this.
    NOT_AVAILABLE = 20011, 400;
    /// A call with a session's cookie did not come from a page of this server.
    CROSS_SITE = 20012, 403;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_statuses_are_errors() {
        assert!(ALL.windows(2).all(|pair| pair[0].number < pair[1].number));
        for code in ALL {
            assert!((400..600).contains(&code.status), "{code:?}");
            assert!(code.meaning.ends_with('.'), "{code:?}");
        }
    }
}

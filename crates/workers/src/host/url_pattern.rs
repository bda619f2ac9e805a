//! URL patterns (<https://urlpattern.spec.whatwg.org/>): the `urlpattern` crate reads them; the engine's own RegExp matches.

use isolate::{Arguments, Scope, Throw, Value};
use urlpattern::UrlPatternOptions;
use urlpattern::quirks::{self, EcmaRegexp, StringOrInit, UrlPatternInit};

use super::optional_string;

/// A string, or a URLPatternInit as JSON text when the next argument is true.
fn input(arguments: &Arguments<'_>) -> Result<StringOrInit<'static>, Throw> {
    let text = arguments.string(0)?;
    if !arguments.bool(1)? {
        return Ok(StringOrInit::String(text.into()));
    }
    serde_json::from_str::<UrlPatternInit>(&text)
        .map(StringOrInit::Init)
        .map_err(|error| Throw::TypeError(format!("The URLPatternInit is not valid: {error}")))
}

/// `urlPatternParse(input, isInit, baseUrl, ignoreCase)`
pub(super) fn parse(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let base = optional_string(arguments, 2)?;
    let options = UrlPatternOptions { ignore_case: arguments.bool(3)?, ..UrlPatternOptions::default() };
    let pattern = quirks::process_construct_pattern_input(input(arguments)?, base.as_deref())
        .and_then(|init| quirks::parse_pattern::<EcmaRegexp>(init, options))
        .map_err(|error| Throw::TypeError(format!("The URL pattern is not valid: {error}.")))?;
    let text = serde_json::to_string(&pattern).map_err(|error| Throw::Error(error.to_string()))?;
    Ok(Value::String(text))
}

/// `urlPatternInput(input, isInit, baseUrl)`
pub(super) fn parts(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let base = optional_string(arguments, 2)?;
    let input = quirks::process_match_input(input(arguments)?, base.as_deref())
        .map_err(|error| Throw::TypeError(format!("The input of the URL pattern is not valid: {error}.")))?;
    let Some(parts) = input.and_then(|(input, _)| quirks::parse_match_input(input)) else {
        return Ok(Value::Undefined);
    };
    let parts = [
        parts.protocol,
        parts.username,
        parts.password,
        parts.hostname,
        parts.port,
        parts.pathname,
        parts.search,
        parts.hash,
    ];
    Ok(Value::List(parts.into_iter().map(Value::String).collect()))
}

//! What the engine itself offers to the built-ins.

use isolate::{Arguments, Failure, Handle, Scope, Throw, Value};

use super::{Host, object};

/// The engine's own `JSON.parse` and `JSON.stringify`.
pub(crate) struct Json {
    parse: Handle,
    stringify: Handle,
}

impl Json {
    /// Takes them from the global object, before code of a Worker can change it. `None` when they are not there.
    pub(crate) fn capture(scope: &mut Scope<'_>) -> Result<Option<Json>, Failure> {
        let Value::Object(json) = scope.global("JSON")? else { return Ok(None) };
        match (scope.get(&json, "parse")?, scope.get(&json, "stringify")?) {
            (Value::Object(parse), Value::Object(stringify)) => Ok(Some(Json { parse, stringify })),
            _ => Ok(None),
        }
    }

    /// The value of JSON text.
    pub(crate) fn parse(&self, scope: &mut Scope<'_>, text: String) -> Result<Value, Failure> {
        scope.call(&self.parse, &[Value::String(text)])
    }

    /// The JSON text of a value; `None` when it has none.
    pub(crate) fn stringify(&self, scope: &mut Scope<'_>, value: &Handle) -> Option<String> {
        match scope.call(&self.stringify, &[Value::Object(value.clone())]) {
            Ok(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// `structuredClone(value, transfer)`
pub(super) fn structured_clone(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let value = arguments.handle(0);
    let transfer = (!arguments.is_undefined(1)).then(|| arguments.handle(1));
    let clone = scope.structured_clone(&value, transfer.as_ref())?;
    Ok(scope.value(&clone))
}

/// `serialize(value)`
pub(super) fn serialize(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(Value::Bytes(scope.serialize(&arguments.handle(0))?))
}

/// `deserialize(bytes)`
pub(super) fn deserialize(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(scope.deserialize(&arguments.bytes(0)?)?)
}

/// The elements of an array.
pub(crate) fn elements(scope: &mut Scope<'_>, list: &Handle) -> Result<Vec<Value>, Failure> {
    let length = if let Value::Number(length) = scope.get(list, "length")? { length as u32 } else { 0 };
    (0..length).map(|index| scope.get(list, &index.to_string())).collect()
}

/// `asyncContext()`
pub(super) fn async_context(scope: &mut Scope<'_>, _: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(scope.async_context())
}

/// `setAsyncContext(frame)`
pub(super) fn set_async_context(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let frame = if arguments.is_undefined(0) { Value::Undefined } else { object(arguments.handle(0)) };
    Ok(scope.set_async_context(&frame)?)
}

/// `importModule(specifier)`
pub(super) fn import_module(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let specifier = arguments.string(0)?;
    // The runtime's own names are for its own modules: this one imports for the Worker.
    if specifier.starts_with(crate::resolve::BUILTIN) || !scope.data::<Host>().has_module(&specifier) {
        return Err(Throw::Error(format!("The bundle has no module \"{specifier}\".")));
    }
    Ok(object(scope.import(&specifier)?))
}

impl Host {
    fn has_module(&self, name: &str) -> bool {
        self.version().modules.iter().any(|module| module.name == name)
    }
}

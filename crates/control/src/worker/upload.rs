//! Reading an upload: a multipart form with a JSON part and one part for each module, within bounds of size and time.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use store::{Module, ModuleKind};

use crate::codes;
use crate::envelope::ApiError;

/// The most that the modules of a Worker may have together.
pub(crate) const WORKER_LIMIT: usize = 64 * 1024 * 1024;
const WORKER_LIMIT_TEXT: &str = "64 MiB";
const METADATA_LIMIT: usize = 2 * 1024 * 1024;
/// Source maps are read past, up to this much.
const SOURCE_MAP_LIMIT: usize = 256 * 1024 * 1024;
const MODULES: usize = 10_000;
const NAME_LIMIT: usize = 1_024;
const IDLE: Duration = Duration::from_secs(30);

/// An upload as it came.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The JSON part.
    pub(crate) metadata: Value,
    /// The modules, in order; source maps are left out.
    pub(crate) modules: Vec<Module>,
}

fn malformed(what: impl std::fmt::Display) -> ApiError {
    ApiError::new(codes::MALFORMED_UPLOAD, format!("The upload cannot be read as a multipart form: {what}."))
}

fn too_large() -> ApiError {
    ApiError::new(
        codes::WORKER_TOO_LARGE,
        format!("The Worker is larger than {WORKER_LIMIT_TEXT}, the most that its modules may have together."),
    )
}

fn broken(error: &MultipartError) -> ApiError {
    malformed(error.body_text().trim_end_matches('.'))
}

async fn patiently<T>(read: impl Future<Output = Result<T, MultipartError>>) -> Result<T, ApiError> {
    tokio::time::timeout(IDLE, read)
        .await
        .map_err(|_| {
            ApiError::new(
                codes::BODY_INCOMPLETE,
                format!("The upload paused for more than {} seconds.", IDLE.as_secs()),
            )
        })?
        .map_err(|error| broken(&error))
}

/// Reads a part up to `limit` bytes, and says `None` when it has more.
async fn read_part(field: &mut Field<'_>, limit: usize) -> Result<Option<Bytes>, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = patiently(field.chunk()).await? {
        if bytes.len() + chunk.len() > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

async fn skip_part(field: &mut Field<'_>, limit: usize) -> Result<usize, ApiError> {
    let mut length = 0;
    while let Some(chunk) = patiently(field.chunk()).await? {
        length += chunk.len();
        if length > limit {
            return Err(too_large());
        }
    }
    Ok(length)
}

/// The kind of a module by its content type, or why it cannot be one. `None`: a source map, which is left out.
fn module_kind(name: &str, content_type: Option<&str>) -> Result<Option<ModuleKind>, ApiError> {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/source-map" {
        return Ok(None);
    }
    if essence.starts_with("text/x-python") {
        return Err(ApiError::new(
            codes::VALIDATION,
            format!(
                "Module \"{name}\" is Python, which is not available in Culvert. Workers are written in JavaScript, TypeScript or WebAssembly."
            ),
        ));
    }
    ModuleKind::of_content_type(&essence).map(Some).ok_or_else(|| {
        ApiError::new(
            codes::UNSUPPORTED_MODULE_TYPE,
            if essence.is_empty() {
                format!("Module \"{name}\" has no Content-Type. An ES module has application/javascript+module.")
            } else {
                format!("Module \"{name}\" has the Content-Type \"{essence}\", which is not one of application/javascript+module, application/javascript, text/plain, application/octet-stream, application/wasm, application/json.")
            },
        )
    })
}

fn utf8(name: &str, body: &[u8]) -> Result<(), ApiError> {
    std::str::from_utf8(body).map(drop).map_err(|error| {
        ApiError::new(
            codes::VALIDATION,
            format!("Module \"{name}\" is not valid UTF-8 at byte {}.", error.valid_up_to()),
        )
    })
}

/// A module whose bytes are what its kind says.
fn checked(name: String, kind: ModuleKind, body: Bytes) -> Result<Module, ApiError> {
    match kind {
        ModuleKind::EsModule | ModuleKind::CommonJs | ModuleKind::Text | ModuleKind::Json => utf8(&name, &body)?,
        ModuleKind::Data | ModuleKind::Wasm => {}
    }
    if kind == ModuleKind::Json
        && let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&body)
    {
        return Err(ApiError::new(codes::VALIDATION, format!("Module \"{name}\" is not JSON: {error}.")));
    }
    if kind == ModuleKind::Wasm && !body.starts_with(b"\0asm") {
        return Err(ApiError::new(
            codes::VALIDATION,
            format!("Module \"{name}\" is not WebAssembly: it does not begin with \\0asm."),
        ));
    }
    Ok(Module { name, kind, body })
}

fn too_many_modules() -> ApiError {
    ApiError::new(codes::VALIDATION, format!("The Worker has more than {MODULES} modules."))
}

fn twice(name: &str) -> ApiError {
    ApiError::new(codes::VALIDATION, format!("Module \"{name}\" is there twice."))
}

/// Reads modules that are part of a JSON body: `[{name, content_type, content_base64}]`.
pub(crate) fn modules_of_json(value: Option<&Value>) -> Result<Vec<Module>, ApiError> {
    let items = value.and_then(Value::as_array).ok_or_else(|| {
        ApiError::field("/modules", "modules must be a list of {name, content_type, content_base64}.")
    })?;
    if items.len() > MODULES {
        return Err(too_many_modules());
    }
    let mut modules = Vec::with_capacity(items.len());
    let mut names = BTreeSet::new();
    let mut room = WORKER_LIMIT;
    for (at, item) in items.iter().enumerate() {
        let text = |member: &str| {
            item.get(member).and_then(Value::as_str).ok_or_else(|| {
                ApiError::field(format!("/modules/{at}/{member}"), format!("A module needs a string \"{member}\"."))
            })
        };
        let name = text("name")?;
        if name.is_empty() || name.len() > NAME_LIMIT {
            let message = format!("A module's name has 1 to {NAME_LIMIT} bytes.");
            return Err(ApiError::field(format!("/modules/{at}/name"), message));
        }
        let Some(kind) = module_kind(name, Some(text("content_type")?))? else { continue };
        if !names.insert(name) {
            return Err(twice(name));
        }
        let body = STANDARD.decode(text("content_base64")?).map_err(|error| {
            ApiError::field(format!("/modules/{at}/content_base64"), format!("This is not base64: {error}."))
        })?;
        room = room.checked_sub(body.len()).ok_or_else(too_large)?;
        modules.push(checked(name.to_owned(), kind, body.into())?);
    }
    Ok(modules)
}

/// Reads an upload. `metadata` names its JSON part.
pub(crate) async fn read_upload(request: Request, metadata: &str) -> Result<Upload, ApiError> {
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| malformed(error.body_text().trim_end_matches('.')))?;
    let mut json = None;
    let mut modules = Vec::new();
    let mut names = BTreeSet::new();
    let mut room = WORKER_LIMIT;
    let mut source_maps = SOURCE_MAP_LIMIT;
    while let Some(mut field) = patiently(form.next_field()).await? {
        // Cloudflare's SDKs send all modules in parts of one name; the file's name says which one it is.
        let part = field.name().unwrap_or_default();
        let name = match part {
            "files" | "files[]" => field.file_name().unwrap_or(part),
            _ => part,
        }
        .to_owned();
        if name.is_empty() {
            return Err(malformed("a part has no name"));
        }
        if name.len() > NAME_LIMIT {
            return Err(malformed(format_args!("a part's name is longer than {NAME_LIMIT} bytes")));
        }
        if name == metadata {
            if json.is_some() {
                return Err(malformed(format_args!("the part \"{metadata}\" is there twice")));
            }
            let Some(bytes) = read_part(&mut field, METADATA_LIMIT).await? else {
                return Err(malformed(format_args!("the part \"{metadata}\" is larger than {METADATA_LIMIT} bytes")));
            };
            json = Some(serde_json::from_slice(&bytes).map_err(|error| {
                ApiError::new(codes::MALFORMED_UPLOAD, format!("The part \"{metadata}\" is not JSON: {error}."))
            })?);
            continue;
        }
        let content_type = field.content_type().map(str::to_owned);
        let Some(kind) = module_kind(&name, content_type.as_deref())? else {
            source_maps -= skip_part(&mut field, source_maps).await?;
            continue;
        };
        if modules.len() == MODULES {
            return Err(too_many_modules());
        }
        if !names.insert(name.clone()) {
            return Err(twice(&name));
        }
        let body = read_part(&mut field, room).await?.ok_or_else(too_large)?;
        room -= body.len();
        modules.push(checked(name, kind, body)?);
    }
    Ok(Upload { metadata: json.ok_or_else(|| malformed(format_args!("the part \"{metadata}\" is missing")))?, modules })
}

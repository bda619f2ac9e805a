//! The permissions of an API token as Cloudflare's clients write them: one policy that allows permission groups on the account.
//! Culvert keeps the permissions; what they are allowed on is the one account that there is. Pure.

use serde_json::{Value, json};
use store::{Account, ApiToken, Permission};

use crate::envelope::ApiError;

const AT: &str = "/policies";
const ACCOUNT: &str = "com.cloudflare.api.account.";

/// The permissions that are known, by their keys.
pub(crate) fn known() -> String {
    Permission::ALL.iter().map(|permission| permission.key()).collect::<Vec<_>>().join(", ")
}

/// Reads a list of permissions, each by `name` at `pointer` and its position.
pub(crate) fn permissions<'a>(
    items: &'a [Value],
    pointer: &str,
    name: impl Fn(&'a Value) -> Option<&'a str>,
) -> Result<Vec<Permission>, ApiError> {
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            name(item).and_then(Permission::parse).ok_or_else(|| {
                ApiError::field(
                    format!("{pointer}/{at}"),
                    format!("{item} is not a permission; these are: {}.", known()),
                )
            })
        })
        .collect()
}

/// Whether `resources` are the account as a whole, and nothing else.
fn is_account(resources: Option<&Value>, account: &Account) -> bool {
    let Some(resources) = resources.and_then(Value::as_object) else { return false };
    let named = |key: &str| key.strip_prefix(ACCOUNT).is_some_and(|name| name == "*" || account.is_named(name));
    !resources.is_empty() && resources.iter().all(|(key, what)| named(key) && what == "*")
}

/// Reads `policies`.
pub(crate) fn parse(policies: &Value, account: &Account) -> Result<Vec<Permission>, ApiError> {
    let Some([policy]) = policies.as_array().map(Vec::as_slice) else {
        let message = "A token has one policy here: put all of its permission groups into one.";
        return Err(ApiError::field(AT, message));
    };
    if policy.get("effect").is_some_and(|effect| effect != "allow") {
        let message = "The policy of a token allows; what it does not allow, it denies.";
        return Err(ApiError::field("/policies/0/effect", message));
    }
    if !is_account(policy.get("resources"), account) {
        let message = format!("resources must be the account: {{\"{ACCOUNT}{}\": \"*\"}}.", account.slug);
        return Err(ApiError::field("/policies/0/resources", message));
    }
    let pointer = "/policies/0/permission_groups";
    let groups = policy
        .get("permission_groups")
        .and_then(Value::as_array)
        .ok_or_else(|| ApiError::field(pointer, "permission_groups must be a list of {id}."))?;
    permissions(groups, pointer, |group| group.get("id")?.as_str())
}

/// The policy of a token. `account` is what the client calls the account, so that it reads what it wrote.
pub(crate) fn view(token: &ApiToken, account: &str) -> Value {
    let groups: Vec<Value> = token
        .permissions
        .iter()
        .map(|permission| json!({ "id": permission.key(), "name": permission.label() }))
        .collect();
    json!([{
        "id": token.id.simple().to_string(),
        "effect": "allow",
        "permission_groups": groups,
        "resources": { format!("{ACCOUNT}{account}"): "*" },
    }])
}

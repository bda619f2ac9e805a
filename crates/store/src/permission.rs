//! What an API token may do. The names are Cloudflare's; the short keys are those of its token permissions.

use serde::{Deserialize, Serialize};

/// One permission of an API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// See the account and its members.
    #[serde(rename = "account-settings.read")]
    AccountSettingsRead,
    /// Make, list and revoke API tokens; read the audit log.
    #[serde(rename = "api-tokens.edit")]
    ApiTokensEdit,
    /// Make, change and delete VPC Services; bind a Worker to a whole tunnel.
    #[serde(rename = "connectivity-directory.admin")]
    ConnectivityDirectoryAdmin,
    /// List VPC Services and bind Workers to them.
    #[serde(rename = "connectivity-directory.bind")]
    ConnectivityDirectoryBind,
    /// See VPC Services.
    #[serde(rename = "connectivity-directory.read")]
    ConnectivityDirectoryRead,
    /// Make and delete tunnels, read their tokens.
    #[serde(rename = "cloudflare-tunnel.edit")]
    TunnelEdit,
    /// See tunnels and their connections.
    #[serde(rename = "cloudflare-tunnel.read")]
    TunnelRead,
    /// Upload, deploy, configure and delete Workers.
    #[serde(rename = "workers-scripts.edit")]
    WorkersScriptsEdit,
    /// See Workers, versions, deployments and invocation records.
    #[serde(rename = "workers-scripts.read")]
    WorkersScriptsRead,
    /// Watch the live log of a Worker.
    #[serde(rename = "workers-tail.read")]
    WorkersTailRead,
}

impl Permission {
    /// Every permission: what the administrator's token has.
    pub const ALL: [Permission; 10] = [
        Permission::AccountSettingsRead,
        Permission::ApiTokensEdit,
        Permission::ConnectivityDirectoryAdmin,
        Permission::ConnectivityDirectoryBind,
        Permission::ConnectivityDirectoryRead,
        Permission::TunnelEdit,
        Permission::TunnelRead,
        Permission::WorkersScriptsEdit,
        Permission::WorkersScriptsRead,
        Permission::WorkersTailRead,
    ];

    /// The name that people see, as Cloudflare writes it.
    pub fn label(self) -> &'static str {
        match self {
            Permission::AccountSettingsRead => "Account Settings Read",
            Permission::ApiTokensEdit => "API Tokens Edit",
            Permission::ConnectivityDirectoryAdmin => "Connectivity Directory Admin",
            Permission::ConnectivityDirectoryBind => "Connectivity Directory Bind",
            Permission::ConnectivityDirectoryRead => "Connectivity Directory Read",
            Permission::TunnelEdit => "Cloudflare Tunnel Edit",
            Permission::TunnelRead => "Cloudflare Tunnel Read",
            Permission::WorkersScriptsEdit => "Workers Scripts Edit",
            Permission::WorkersScriptsRead => "Workers Scripts Read",
            Permission::WorkersTailRead => "Workers Tail Read",
        }
    }

    /// The short key, as in `connectivity-directory.bind`.
    pub fn key(self) -> &'static str {
        match self {
            Permission::AccountSettingsRead => "account-settings.read",
            Permission::ApiTokensEdit => "api-tokens.edit",
            Permission::ConnectivityDirectoryAdmin => "connectivity-directory.admin",
            Permission::ConnectivityDirectoryBind => "connectivity-directory.bind",
            Permission::ConnectivityDirectoryRead => "connectivity-directory.read",
            Permission::TunnelEdit => "cloudflare-tunnel.edit",
            Permission::TunnelRead => "cloudflare-tunnel.read",
            Permission::WorkersScriptsEdit => "workers-scripts.edit",
            Permission::WorkersScriptsRead => "workers-scripts.read",
            Permission::WorkersTailRead => "workers-tail.read",
        }
    }

    /// Finds a permission by its key or its label.
    pub fn parse(text: &str) -> Option<Self> {
        Permission::ALL
            .into_iter()
            .find(|permission| permission.key() == text || permission.label().eq_ignore_ascii_case(text))
    }

    /// True when holding `self` allows what `needed` allows: the right to change includes the right to see.
    pub fn covers(self, needed: Permission) -> bool {
        self == needed
            || match self {
                Permission::ConnectivityDirectoryAdmin => {
                    matches!(needed, Permission::ConnectivityDirectoryBind | Permission::ConnectivityDirectoryRead)
                }
                Permission::ConnectivityDirectoryBind => needed == Permission::ConnectivityDirectoryRead,
                Permission::TunnelEdit => needed == Permission::TunnelRead,
                Permission::WorkersScriptsEdit => needed == Permission::WorkersScriptsRead,
                Permission::AccountSettingsRead
                | Permission::ApiTokensEdit
                | Permission::ConnectivityDirectoryRead
                | Permission::TunnelRead
                | Permission::WorkersScriptsRead
                | Permission::WorkersTailRead => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_found_by_key_and_label_and_serialized_by_key() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.key()), Some(permission));
            assert_eq!(Permission::parse(permission.label()), Some(permission));
            assert_eq!(serde_json::to_value(permission).ok(), Some(permission.key().into()));
        }
        assert_eq!(Permission::parse("root"), None);
    }

    #[test]
    fn edit_covers_read_and_not_the_other_way_round() {
        assert!(Permission::WorkersScriptsEdit.covers(Permission::WorkersScriptsRead));
        assert!(!Permission::WorkersScriptsRead.covers(Permission::WorkersScriptsEdit));
        assert!(Permission::ConnectivityDirectoryAdmin.covers(Permission::ConnectivityDirectoryBind));
        assert!(!Permission::ConnectivityDirectoryBind.covers(Permission::ConnectivityDirectoryAdmin));
        assert!(!Permission::ConnectivityDirectoryAdmin.covers(Permission::TunnelRead));
    }
}

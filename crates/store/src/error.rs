//! What can go wrong in the store. Every variant says what was asked for and what stood against it.
//! It must not know how an error is shown to an operator.

use std::fmt;
use std::path::PathBuf;

/// The kinds of things that are kept, as named in errors and in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// An account.
    Account,
    /// A certificate, or a certificate authority, that VPC Services refer to.
    Certificate,
    /// A deployment of a Worker.
    Deployment,
    /// A custom domain of a Worker.
    Domain,
    /// A host name that leads to a tunnel.
    Hostname,
    /// A destination behind a tunnel.
    NetworkRoute,
    /// A route of a Worker.
    Route,
    /// A secret of a Worker.
    Secret,
    /// A VPC Service.
    Service,
    /// An API token.
    Token,
    /// A tunnel.
    Tunnel,
    /// A version of a Worker.
    Version,
    /// A Worker.
    Worker,
}

impl Thing {
    /// The name as it stands in the audit log: one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Thing::Account => "account",
            Thing::Certificate => "certificate",
            Thing::Deployment => "deployment",
            Thing::Domain => "domain",
            Thing::Hostname => "hostname",
            Thing::NetworkRoute => "network_route",
            Thing::Route => "route",
            Thing::Secret => "secret",
            Thing::Service => "service",
            Thing::Token => "token",
            Thing::Tunnel => "tunnel",
            Thing::Version => "version",
            Thing::Worker => "worker",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Thing::Account => "account",
            Thing::Certificate => "certificate",
            Thing::Deployment => "deployment",
            Thing::Domain => "custom domain",
            Thing::Hostname => "host name",
            Thing::NetworkRoute => "network route",
            Thing::Route => "route",
            Thing::Secret => "secret",
            Thing::Service => "VPC Service",
            Thing::Token => "API token",
            Thing::Tunnel => "tunnel",
            Thing::Version => "version",
            Thing::Worker => "Worker",
        })
    }
}

/// Why an operation on the store did not happen. Nothing was changed when one is returned.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something of that name is there already.
    #[error("a {thing} named \"{name}\" already exists")]
    AlreadyExists {
        /// What was to be made.
        thing: Thing,
        /// The name that is taken.
        name: String,
    },
    /// Somebody else changed the Worker between the moment its state was read and the write that rested on it.
    #[error("Worker \"{worker}\" was changed by somebody else at the same time; try again")]
    ConcurrentChange {
        /// The Worker's name.
        worker: String,
    },
    /// A row does not hold what this version of the program writes.
    #[error("the database holds an unreadable {table} row ({row}): {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What identifies the row.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The data directory or a file in it cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    DataDirectory {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database refused a statement, or was lost in the middle of one.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// It is still used by others.
    #[error("{thing} \"{name}\" is still used by {}; change or delete those first", users.join(", "))]
    InUse {
        /// What was to be deleted.
        thing: Thing,
        /// Its name.
        name: String,
        /// Who uses it, each as `Worker "api"`.
        users: Vec<String>,
    },
    /// A value cannot be kept.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field, in the words of the API.
        field: &'static str,
        /// The rule that is broken.
        reason: String,
    },
    /// The key file does not hold a key.
    #[error("{} does not hold a key: expected 64 hexadecimal digits (32 bytes)", path.display())]
    KeyMalformed {
        /// The key file, or the name of the environment variable.
        path: PathBuf,
    },
    /// The database has sealed secrets, but the key file is gone.
    #[error("the key file {} is missing, and the database holds secrets sealed with it; restore it from a backup, or copy it from another edge that uses this database", path.display())]
    KeyMissing {
        /// Where the key was looked for.
        path: PathBuf,
    },
    /// The database is new, and the key file that was named is not there.
    #[error("there is no key file {}; make one with `openssl rand -hex 32`, and keep a copy of it", path.display())]
    KeyNotMade {
        /// Where the key was looked for.
        path: PathBuf,
    },
    /// The key does not open what is sealed in this database.
    #[error(
        "the key is not the one that the secrets in this database were sealed with; give the key file that belongs to it"
    )]
    KeyWrong,
    /// Without this API token nobody could do everything any more.
    #[error(
        "API token \"{name}\" is the last one that has every permission and does not end; make another such token first"
    )]
    LastAdministrator {
        /// The token's name.
        name: String,
    },
    /// A migration failed, or the database was written by a newer version of the program.
    #[error("the database cannot be brought to this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// There is no such thing.
    #[error("{thing} \"{name}\" does not exist")]
    NotFound {
        /// What was looked for.
        thing: Thing,
        /// The name or identifier that was given.
        name: String,
    },
    /// No more of these may be made.
    #[error("the account has {limit} {thing}s, the most that is allowed; delete one first")]
    QuotaExceeded {
        /// What was to be made.
        thing: Thing,
        /// The most that an account may have.
        limit: u64,
    },
    /// The database server cannot be reached, or does not let us in.
    #[error("the {database} cannot be used: {source}")]
    Unreachable {
        /// Which database, without its password.
        database: String,
        /// What went wrong.
        source: sqlx::Error,
    },
    /// A ciphertext does not open: the row was altered, or the key is wrong.
    #[error("the sealed value of {row} does not open with this key: it was altered or belongs to another row")]
    Unsealable {
        /// What the ciphertext is bound to.
        row: String,
    },
    /// The operating system's random number generator or the cipher failed.
    #[error("the cryptographic library failed while {0}")]
    Cryptography(&'static str),
}

impl StoreError {
    pub(crate) fn not_found(thing: Thing, name: impl Into<String>) -> Self {
        StoreError::NotFound { thing, name: name.into() }
    }

    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        StoreError::Invalid { field, reason: reason.into() }
    }

    /// True when a unique index stood in the way.
    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self, StoreError::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// True when the fault lies with the machine or the database and not with what was asked for.
    pub fn is_internal(&self) -> bool {
        match self {
            StoreError::AlreadyExists { .. }
            | StoreError::ConcurrentChange { .. }
            | StoreError::InUse { .. }
            | StoreError::Invalid { .. }
            | StoreError::LastAdministrator { .. }
            | StoreError::NotFound { .. }
            | StoreError::QuotaExceeded { .. } => false,
            StoreError::Corrupt { .. }
            | StoreError::Cryptography(_)
            | StoreError::DataDirectory { .. }
            | StoreError::Database(_)
            | StoreError::KeyMalformed { .. }
            | StoreError::KeyMissing { .. }
            | StoreError::KeyNotMade { .. }
            | StoreError::KeyWrong
            | StoreError::Migration(_)
            | StoreError::Unreachable { .. }
            | StoreError::Unsealable { .. } => true,
        }
    }
}

//! What the holder of an admin key may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the holder of an admin key may do; each role may do what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look at everything but the admin keys.
    ReadOnly,
    /// Change the configuration, but not providers' addresses and secrets, nor admin keys.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Its name, as in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub(crate) fn stored(name: &str) -> Option<Self> {
        [Self::ReadOnly, Self::Operator, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_called_the_same_everywhere() {
        for role in [Role::ReadOnly, Role::Operator, Role::Admin] {
            assert_eq!(Role::stored(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert_eq!(Role::stored("root"), None);
        assert!(Role::ReadOnly < Role::Operator && Role::Operator < Role::Admin);
    }
}

//! Whose the gateway's descriptors are: those of its database connections come and go with their pool, all others have to
//! come back.

use std::collections::HashSet;
use std::path::Path;

use crate::run::process::Spawned;

/// Connections to a server that the gateway may keep: those of `GATEWAY_DATABASE_CONNECTIONS`, two of the writer of rows, and
/// one that waits to be told of changes.
const TO_SERVER: u64 = 8 + 2 + 1;
/// Those to SQLite: of `GATEWAY_DATABASE_CONNECTIONS`, and the writer's.
const TO_SQLITE: u64 = 4 + 1;

/// How descriptors of connections to the database are told from others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Database<'a> {
    /// They lead to this port.
    Port(u16),
    /// They are this file, and those beside it.
    File(&'a Path),
}

impl Database<'_> {
    /// Most descriptors that the pools may hold.
    pub(crate) fn most(self) -> u64 {
        match self {
            Self::Port(_) => TO_SERVER,
            // The file, its log and the index of that.
            Self::File(_) => TO_SQLITE * 3,
        }
    }
}

/// Descriptors of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    pub(crate) database: u64,
    pub(crate) others: u64,
}

/// Counts those that are open now.
pub(crate) fn count(process: &Spawned, database: Database<'_>) -> anyhow::Result<Descriptors> {
    let links = process.descriptors()?;
    Ok(match database {
        Database::Port(port) => {
            let mut sockets = sockets_to(&process.proc("net/tcp")?, port);
            sockets.extend(sockets_to(&process.proc("net/tcp6")?, port));
            sort(&links, |link| sockets.contains(link))
        }
        Database::File(path) => {
            let path = path.to_string_lossy();
            sort(&links, |link| link.starts_with(&*path))
        }
    })
}

fn sort(links: &[String], is_database: impl Fn(&str) -> bool) -> Descriptors {
    let database = links.iter().filter(|link| is_database(link)).count();
    Descriptors {
        database: database as u64,
        others: (links.len() - database) as u64,
    }
}

/// The sockets of a kernel's table that lead to a port, by the names that their descriptors have.
fn sockets_to(table: &str, port: u16) -> HashSet<String> {
    let socket = |line: &str| {
        let mut fields = line.split_whitespace();
        let (_, remote) = fields.nth(2)?.rsplit_once(':')?;
        let inode = fields.nth(6)?;
        let leads_there = u16::from_str_radix(remote, 16) == Ok(port);
        leads_there.then(|| format!("socket:[{inode}]"))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_by_where_they_lead_and_not_by_where_they_begin() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   103        0 11 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 22 1 0 20 4 30 10 -1
   2: 0100007F:1538 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   103        0 33 1 0 20 4 30 10 -1
";
        let sockets = sockets_to(table, 0x1538);
        assert_eq!(sockets, HashSet::from(["socket:[22]".to_owned()]));
        let links = ["socket:[22]", "socket:[33]", "/dev/null"].map(str::to_owned);
        let told = sort(&links, |link| sockets.contains(link));
        assert_eq!((told.database, told.others), (1, 2));
    }
}

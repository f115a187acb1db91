//! Several processes at once, and processes killed in the middle.

use std::process::Child;
use std::time::Instant;

use scratch::ENGINES;
use sea_orm::DbBackend;

use crate::scratch::Scratch;

#[test]
fn three_processes_at_once_make_one_schema() {
    for engine in ENGINES {
        let scratch = Scratch::new(engine);
        let started: Vec<Child> = (0..3)
            .map(|_| scratch.command(&["up"]).spawn().unwrap())
            .collect();
        let mut applied = 0;
        for child in started {
            let output = child.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{engine:?}: {error}");
            applied += usize::from(String::from_utf8_lossy(&output.stdout).contains(": applied "));
        }
        assert_eq!(applied, 1, "{engine:?}");
        assert_eq!(
            scratch.run(&["check"]),
            (0, "schema matches\n".to_owned(), String::new())
        );
    }
}

#[test]
fn what_was_killed_is_finished_by_the_next_on_sqlite() {
    killed_in_the_middle(DbBackend::Sqlite);
}

#[test]
fn what_was_killed_is_finished_by_the_next_on_postgres() {
    killed_in_the_middle(DbBackend::Postgres);
}

#[test]
fn what_was_killed_is_finished_by_the_next_on_mysql() {
    killed_in_the_middle(DbBackend::MySql);
}

/// However far the killed ones came, and whatever a server is still doing for them, the next `up` finishes.
fn killed_in_the_middle(engine: DbBackend) {
    let seed = fastrand::get_seed();
    let scratch = Scratch::new(engine);
    let before = Instant::now();
    assert_eq!(scratch.run(&["up"]).0, 0);
    let whole = before.elapsed();
    for round in 0..8 {
        let context = format!("{engine:?}, seed {seed}, round {round}");
        assert_eq!(scratch.run(&["reset", "--yes"]).0, 0, "{context}");
        let mut dice = fastrand::Rng::with_seed(seed.wrapping_add(round));
        for command in [&["up"][..], &["up"], &["fresh", "--yes"]] {
            let mut child = scratch.command(command).spawn().unwrap();
            // A real wait: what dies here is a real process, at a moment nobody chose.
            std::thread::sleep(whole.mul_f64(dice.f64() * 1.2));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let (code, _, error) = scratch.run(&["up"]);
        assert_eq!((code, error.as_str()), (0, ""), "{context}");
        let (code, lines, _) = scratch.run(&["check"]);
        assert_eq!((code, lines.as_str()), (0, "schema matches\n"), "{context}");
    }
}

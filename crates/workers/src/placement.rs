//! Which isolate takes a job, when a further one is started, which idle ones go. Pure.

use std::time::Duration;

use crate::seat::Load;

/// Script that runs longer than this without a pause holds up what waits behind it.
pub(crate) const STALL: Duration = Duration::from_millis(5);
/// This many waiting jobs are reason enough for a further isolate.
const CROWD: usize = 32;

/// Where a job goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To this isolate.
    Seat(usize),
    /// To a new one.
    NewSeat,
    /// Nowhere: too much waits already, or there is no memory for the first isolate.
    Shed,
}

/// What a Worker may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Isolates that take jobs.
    pub isolates: usize,
    /// Jobs that wait.
    pub queue: usize,
    /// Whether the machine has memory for one more isolate.
    pub memory: bool,
}

/// Where the next job of a Worker goes.
pub(crate) fn place(loads: &[Load], allowance: Allowance) -> Place {
    let open = || loads.iter().enumerate().filter(|(_, load)| load.accepting);
    if open().map(|(_, load)| load.queued).sum::<usize>() >= allowance.queue {
        return Place::Shed;
    }
    let may_start = allowance.memory && open().count() < allowance.isolates;
    let best = open().min_by_key(|(_, load)| (load.entry > STALL, load.running + load.queued));
    match best {
        Some((_, load)) if may_start && (load.entry > STALL || load.queued >= CROWD) => Place::NewSeat,
        Some((index, _)) => Place::Seat(index),
        None if may_start => Place::NewSeat,
        None => Place::Shed,
    }
}

/// Whether jobs that wait at an isolate should be placed again.
pub(crate) fn is_stuck(load: &Load) -> bool {
    load.queued > 0 && load.entry > STALL
}

/// An isolate that could go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<T> {
    /// Which.
    pub seat: T,
    /// Its load.
    pub load: Load,
}

/// The isolates to end: those unused for longer than `keep`, and beyond that the longest unused until what remains fits `budget`.
pub(crate) fn evict<T: Copy>(candidates: &[Candidate<T>], keep: Duration, budget: usize) -> Vec<T> {
    let mut total: usize = candidates.iter().map(|candidate| candidate.load.memory).sum();
    let mut idle: Vec<&Candidate<T>> =
        candidates.iter().filter(|candidate| candidate.load.accepting && candidate.load.is_idle()).collect();
    idle.sort_by_key(|candidate| std::cmp::Reverse(candidate.load.unused));
    let mut gone = Vec::new();
    for candidate in idle {
        if candidate.load.unused <= keep && total <= budget {
            break;
        }
        total = total.saturating_sub(candidate.load.memory);
        gone.push(candidate.seat);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance { isolates: 2, queue: 100, memory: true };

    fn load(running: usize, queued: usize) -> Load {
        Load { accepting: true, running, queued, ..Load::default() }
    }

    fn stalled(load: Load) -> Load {
        Load { entry: STALL * 2, ..load }
    }

    #[test]
    fn the_least_loaded_takes_it() {
        assert_eq!(place(&[], ALLOWANCE), Place::NewSeat);
        assert_eq!(place(&[load(3, 0), load(1, 1)], ALLOWANCE), Place::Seat(1));
        assert_eq!(
            place(&[load(500, 0)], ALLOWANCE),
            Place::Seat(0),
            "waiting for I/O is no reason for another isolate"
        );
    }

    #[test]
    fn a_long_entry_or_a_crowd_starts_another() {
        assert_eq!(place(&[stalled(load(1, 0))], ALLOWANCE), Place::NewSeat);
        assert_eq!(place(&[load(1, CROWD)], ALLOWANCE), Place::NewSeat);
        assert_eq!(place(&[stalled(load(1, 0)), load(9, 9)], ALLOWANCE), Place::Seat(1));
        assert_eq!(
            place(&[stalled(load(1, 5)), stalled(load(1, 4))], ALLOWANCE),
            Place::Seat(1),
            "no more than allowed"
        );
        assert_eq!(place(&[stalled(load(1, 0))], Allowance { memory: false, ..ALLOWANCE }), Place::Seat(0));
    }

    #[test]
    fn those_that_drain_do_not_count() {
        let draining = Load { accepting: false, ..load(0, 0) };
        assert_eq!(place(&[draining, draining], ALLOWANCE), Place::NewSeat);
        assert_eq!(place(&[draining], Allowance { memory: false, ..ALLOWANCE }), Place::Shed);
    }

    #[test]
    fn a_full_queue_sheds() {
        assert_eq!(place(&[load(1, 60), load(1, 40)], ALLOWANCE), Place::Shed);
    }

    #[test]
    fn the_longest_unused_go_first() {
        let idle = |seat, seconds, memory| Candidate {
            seat,
            load: Load { unused: Duration::from_secs(seconds), memory, ..load(0, 0) },
        };
        let busy = Candidate { seat: 9, load: Load { memory: 50, unused: Duration::from_secs(99), ..load(1, 0) } };
        let all = [idle(1, 5, 10), idle(2, 50, 10), idle(3, 20, 10), busy];
        assert_eq!(evict(&all, Duration::from_secs(30), 1000), [2]);
        assert_eq!(evict(&all, Duration::from_secs(30), 60), [2, 3]);
        assert_eq!(evict(&all, Duration::from_secs(90), 0), [2, 3, 1]);
        assert!(evict(&all, Duration::from_secs(90), 80).is_empty());
    }
}

#![allow(clippy::unwrap_used)]
use super::verdict::HUNG;
use super::*;

const LIMIT: Duration = Duration::from_millis(50);
const LITTLE: Duration = Duration::from_millis(1);

fn verdicts(supervisor: &mut Supervisor) -> Vec<Verdict> {
    std::iter::from_fn(|| supervisor.poll_verdict()).collect()
}

fn outcomes(verdicts: &[Verdict]) -> Vec<(Ticket, Outcome)> {
    verdicts
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::End(ticket, ending) => Some((*ticket, ending.outcome)),
            _ => None,
        })
        .collect()
}

fn with(tickets: &[Ticket]) -> (Supervisor, Instant) {
    let mut supervisor = Supervisor::new();
    for &ticket in tickets {
        supervisor.began(ticket, LIMIT);
    }
    (supervisor, Instant::now())
}

#[test]
fn a_plain_answer_ends_at_once() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.responded(1, Flow::Whole);
    supervisor.script_done(1);
    supervisor.entry_ended(1, LITTLE, None, now);
    let ending = Ending { outcome: Outcome::Ok, cause: None, exception: None, cpu: LITTLE, done: true };
    assert_eq!(verdicts(&mut supervisor), [Verdict::End(1, ending)]);
    assert!(supervisor.accepts());
    assert!(!supervisor.knows(1));
}

#[test]
fn nothing_pending_and_no_answer_is_hung() {
    let (mut supervisor, now) = with(&[1, 2]);
    supervisor.operation_began(2);
    supervisor.entry_ended(1, LITTLE, None, now);
    supervisor.entry_ended(2, LITTLE, None, now);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(1, Outcome::Exception)]);
    assert!(matches!(&found[0], Verdict::Refuse(1, _, message) if message == HUNG));
    assert!(matches!(&found[1], Verdict::End(1, Ending { exception: Some(HUNG), .. })));
    supervisor.operation_ended(2);
    supervisor.entry_ended(2, LITTLE, None, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(2, Outcome::Exception)]);
}

#[test]
fn a_body_that_nothing_will_write_is_hung() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.responded(1, Flow::Script);
    supervisor.entry_ended(1, LITTLE, None, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(1, Outcome::Exception)]);
}

#[test]
fn a_written_body_ends_when_it_is_taken() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.responded(1, Flow::Script);
    supervisor.body_written(1);
    supervisor.script_done(1);
    supervisor.entry_ended(1, LITTLE, None, now);
    assert_eq!(verdicts(&mut supervisor), []);
    supervisor.body_over(1, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(1, Outcome::Ok)]);
}

#[test]
fn a_failed_handler_refuses_at_once_and_lingers() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.operation_began(1);
    supervisor.failed(1, "Error: no".into());
    supervisor.entry_ended(1, LITTLE, None, now);
    let found = verdicts(&mut supervisor);
    assert!(matches!(&found[..], [Verdict::Refuse(1, Outcome::Exception, _)]));
    supervisor.operation_ended(1);
    supervisor.entry_ended(1, LITTLE, None, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(1, Outcome::Exception)]);
}

#[test]
fn wait_until_has_thirty_seconds_after_the_body() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.operation_began(1);
    supervisor.responded(1, Flow::Native);
    supervisor.entry_ended(1, LITTLE, None, now);
    assert_eq!(supervisor.poll_deadline(), None);
    let later = now + Duration::from_secs(3600);
    supervisor.body_over(1, later);
    assert_eq!(supervisor.poll_deadline(), Some(later + Supervisor::LINGER));
    supervisor.tick(later + Supervisor::LINGER - LITTLE);
    assert_eq!(verdicts(&mut supervisor), []);
    supervisor.tick(later + Supervisor::LINGER);
    let found = verdicts(&mut supervisor);
    assert_eq!(found[0], Verdict::GiveUpBackground(1));
    assert_eq!(outcomes(&found), [(1, Outcome::Ok)]);
    assert_eq!(supervisor.poll_deadline(), None);
}

#[test]
fn what_no_visitor_waits_for_has_to_end_some_day() {
    let (mut supervisor, now) = with(&[1, 2]);
    for ticket in [1, 2] {
        supervisor.goes_unattended(ticket, now);
        supervisor.operation_began(ticket);
        supervisor.entry_ended(ticket, LITTLE, None, now);
    }
    assert_eq!(supervisor.poll_deadline(), Some(now + Supervisor::UNATTENDED));
    // Its handler is done, what it gave to `waitUntil` is not: no second deadline.
    supervisor.responded(2, Flow::Whole);
    supervisor.entry_ended(2, LITTLE, None, now);
    supervisor.tick(now + Supervisor::UNATTENDED - LITTLE);
    assert_eq!(verdicts(&mut supervisor), []);
    supervisor.tick(now + Supervisor::UNATTENDED);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(1, Outcome::ExceededWallTime), (2, Outcome::ExceededWallTime)]);
    assert!(matches!(&found[0], Verdict::Refuse(1, Outcome::ExceededWallTime, _)));
}

#[test]
fn a_gone_visitor_cancels_unless_work_is_kept() {
    let (mut supervisor, now) = with(&[1, 2]);
    for ticket in [1, 2] {
        supervisor.operation_began(ticket);
        supervisor.visitor_gone(ticket, now);
    }
    assert_eq!(verdicts(&mut supervisor), [Verdict::Disconnect(1), Verdict::Disconnect(2)]);
    supervisor.disconnected(1, false, now);
    supervisor.disconnected(2, true, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(1, Outcome::Canceled)]);
    supervisor.entry_ended(2, LITTLE, None, now);
    assert_eq!(verdicts(&mut supervisor), [Verdict::Disconnect(2)], "it is asked again");
    supervisor.entry_ended(2, LITTLE, None, now);
    supervisor.disconnected(2, false, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(2, Outcome::Canceled)]);
}

#[test]
fn a_visitor_gone_in_the_body_is_another_outcome() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.operation_began(1);
    supervisor.responded(1, Flow::Script);
    supervisor.entry_ended(1, LITTLE, None, now);
    supervisor.visitor_gone(1, now);
    assert_eq!(verdicts(&mut supervisor), [Verdict::Disconnect(1)]);
    supervisor.disconnected(1, false, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(1, Outcome::ResponseStreamDisconnected)]);
}

#[test]
fn the_first_cause_wins() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.operation_began(1);
    supervisor.failed(1, "Error: first".into());
    supervisor.entry_ended(1, LITTLE, None, now);
    supervisor.entry_ended(1, LIMIT, Some(Stop::Cpu), now);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(1, Outcome::Exception)]);
    assert_eq!(found.last(), Some(&Verdict::Close));
}

#[test]
fn a_limit_reached_between_entries_ends_one_invocation() {
    let (mut supervisor, now) = with(&[1, 2]);
    supervisor.operation_began(1);
    supervisor.operation_began(2);
    supervisor.entry_ended(2, LITTLE, None, now);
    supervisor.entry_ended(1, LIMIT, None, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(1, Outcome::ExceededCpu)]);
    assert!(supervisor.accepts());
    assert_eq!(supervisor.budget(2), Some(LIMIT - LITTLE));
}

#[test]
fn one_that_is_stopped_ends_alone_and_nothing_new_begins() {
    let (mut supervisor, now) = with(&[1, 2, 3]);
    supervisor.operation_began(2);
    supervisor.operation_began(3);
    supervisor.entry_ended(2, LITTLE, None, now);
    supervisor.entry_ended(3, LITTLE, None, now);
    supervisor.entry_ended(1, LIMIT, Some(Stop::Cpu), now);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(1, Outcome::ExceededCpu)]);
    assert_eq!(found.last(), Some(&Verdict::StopAccepting));
    assert!(supervisor.runs_script() && !supervisor.accepts());
    supervisor.responded(2, Flow::Whole);
    supervisor.script_done(2);
    supervisor.entry_ended(2, LITTLE, None, now);
    assert_eq!(outcomes(&verdicts(&mut supervisor)), [(2, Outcome::Ok)]);
    supervisor.entry_ended(3, LIMIT, Some(Stop::Cpu), now);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(3, Outcome::ExceededCpu)]);
    assert_eq!(found.last(), Some(&Verdict::Close));
}

#[test]
fn used_up_memory_condemns_the_isolate_but_not_native_bodies() {
    let (mut supervisor, now) = with(&[1, 2, 3]);
    supervisor.operation_began(2);
    supervisor.responded(3, Flow::Native);
    supervisor.script_done(3);
    supervisor.entry_ended(2, LITTLE, None, now);
    supervisor.entry_ended(3, LITTLE, None, now);
    supervisor.entry_ended(1, LITTLE, Some(Stop::Memory { used: 2, limit: 1 }), now);
    let found = verdicts(&mut supervisor);
    assert_eq!(found[0], Verdict::StopAccepting);
    assert_eq!(outcomes(&found), [(1, Outcome::ExceededMemory), (2, Outcome::ExceededMemory)]);
    assert!(!supervisor.runs_script());
    supervisor.body_over(3, now);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(3, Outcome::Ok)]);
    assert_eq!(found.last(), Some(&Verdict::Close));
}

#[test]
fn memory_ends_all_with_the_same_outcome() {
    let (mut supervisor, now) = with(&[1, 2]);
    supervisor.entry_ended(1, LITTLE, Some(Stop::Memory { used: 2, limit: 1 }), now);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(1, Outcome::ExceededMemory), (2, Outcome::ExceededMemory)]);
}

#[test]
fn draining_closes_after_the_last() {
    let (mut supervisor, now) = with(&[1]);
    supervisor.drain();
    assert_eq!(verdicts(&mut supervisor), [Verdict::StopAccepting]);
    supervisor.responded(1, Flow::Whole);
    supervisor.entry_ended(1, LITTLE, None, now);
    let found = verdicts(&mut supervisor);
    assert_eq!(outcomes(&found), [(1, Outcome::Ok)]);
    assert_eq!(found.last(), Some(&Verdict::Close));
    supervisor.drain();
    assert_eq!(verdicts(&mut supervisor), []);
}

/// Whatever the order of events, each invocation ends exactly once, is refused at most once, and nothing follows `Close`.
#[test]
fn every_sequence_ends_every_invocation_once() {
    for seed in 0..2000_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let (mut supervisor, mut now) = with(&[1, 2, 3]);
        let mut found = Vec::new();
        for _ in 0..40 {
            let ticket = next(3) + 1;
            match next(13) {
                0 | 1 => supervisor.operation_began(ticket),
                2 => supervisor.operation_ended(ticket),
                3 => supervisor.responded(ticket, [Flow::Whole, Flow::Native, Flow::Script][next(3) as usize]),
                4 => supervisor.body_written(ticket),
                5 => supervisor.body_failed(ticket, "broken"),
                6 => supervisor.failed(ticket, "Error".into()),
                7 => supervisor.script_done(ticket),
                8 => supervisor.entry_ended(ticket, LITTLE, None, now),
                9 => supervisor.visitor_gone(ticket, now),
                10 => supervisor.body_over(ticket, now),
                11 => {
                    now += Duration::from_secs(next(20));
                    supervisor.tick(now);
                }
                _ => match next(8) {
                    0 => supervisor.entry_ended(ticket, LIMIT, Some(Stop::Cpu), now),
                    1 => supervisor.drain(),
                    2 if next(4) == 0 => {
                        supervisor.entry_ended(ticket, LITTLE, Some(Stop::Memory { used: 2, limit: 1 }), now);
                    }
                    _ => supervisor.entry_ended(ticket, LITTLE, None, now),
                },
            }
            while let Some(verdict) = supervisor.poll_verdict() {
                if let Verdict::Disconnect(ticket) = verdict {
                    supervisor.disconnected(ticket, next(2) == 0, now);
                }
                found.push(verdict);
            }
        }
        supervisor.shut_down(now);
        found.extend(verdicts(&mut supervisor));
        for ticket in 1..=3 {
            let ends = outcomes(&found).iter().filter(|(of, _)| *of == ticket).count();
            assert_eq!(ends, 1, "seed {seed}: {found:?}");
            let refusals =
                found.iter().filter(|verdict| matches!(verdict, Verdict::Refuse(of, ..) if *of == ticket)).count();
            assert!(refusals <= 1, "seed {seed}: {found:?}");
        }
        assert_eq!(found.last(), Some(&Verdict::Close), "seed {seed}: {found:?}");
        assert_eq!(found.iter().filter(|verdict| **verdict == Verdict::Close).count(), 1, "seed {seed}");
    }
}

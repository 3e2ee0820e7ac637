//! Calls as an office makes them, each by chance a little different.

use super::{Expected, Life, Script, Style, features, text};
use fastrand::Rng;
use ringpost::ami::event::Event;
use ringpost::call::record::{Direction, Disposition};

const PHONES: [&str; 8] = ["101", "102", "103", "104", "105", "106", "107", "108"];

type Scenario = fn(Script<'_>) -> Life;

/// Calls of both generations, then those that each tells in its own way.
const BOTH: [Scenario; 10] =
    [answered, unanswered, group, two_steps, local_members, queued, outbound, two_trunks, internal, held];

/// A call by chance that begins at `at`.
pub fn any(style: Style, random: &mut Rng, next: &mut u32, at: u64) -> Life {
    let own: &[Scenario] = match style {
        Style::New => &features::NEW,
        Style::Old => &features::OLD,
    };
    let which = random.usize(..BOTH.len() + own.len());
    let scenario = BOTH.get(which).copied().unwrap_or_else(|| own[which - BOTH.len()]);
    scenario(Script::new(style, random, next, at))
}

/// Different telephones.
pub fn phones<const N: usize>(random: &mut Rng) -> [&'static str; N] {
    let mut all = PHONES;
    random.shuffle(&mut all);
    std::array::from_fn(|n| all[n])
}

/// A number that no other call has.
pub fn client(script: &mut Script<'_>) -> &'static str {
    text(format!("7916{:07}", script.number()))
}

/// 101 has answered: both are up and hear each other.
pub fn answer(script: &mut Script<'_>, by: usize, phone: usize, extension: &'static str) {
    script.state(phone, 6);
    script.moment();
    script.dial_ends(by, phone, "ANSWER");
    script.state(by, 6);
    script.moment();
    script.connect(by, phone);
    script.talk(extension);
}

/// They part and hang up, one of them first.
pub fn end(script: &mut Script<'_>, by: usize, phone: usize, extension: &'static str) {
    script.hush(extension);
    script.part(by, phone);
    script.moment();
    script.dial_over(by, "ANSWER");
    let first = script.random.bool();
    for n in if first { [by, phone] } else { [phone, by] } {
        script.hang_up(n, 16);
        script.moment();
    }
}

/// The telephone rings no more, in the order that the server happens to take.
pub fn give_up(script: &mut Script<'_>, by: usize, phone: usize, status: &'static str, cause: u16) {
    if script.random.bool() {
        script.hang_up(phone, cause);
        script.dial_ends(by, phone, status);
    } else {
        script.dial_ends(by, phone, status);
        script.hang_up(phone, cause);
    }
}

/// A call that `extension` has answered, and its channels.
pub fn talking(script: &mut Script<'_>, client: &'static str, extension: &'static str) -> (usize, usize) {
    let trunk = script.trunk_calls(client);
    script.moment();
    let phone = script.ring(trunk, extension);
    script.wait(0, 8000);
    answer(script, trunk, phone, extension);
    script.wait(0, 20_000);
    (trunk, phone)
}

fn answered(mut script: Script<'_>) -> Life {
    let (client, [extension]) = (client(&mut script), phones(script.random));
    let (trunk, phone) = talking(&mut script, client, extension);
    script.wait(0, 60_000);
    end(&mut script, trunk, phone, extension);
    script.tells("answered", Direction::Inbound, client, "", Disposition::Missed)
}

fn unanswered(mut script: Script<'_>) -> Life {
    let (client, [extension]) = (client(&mut script), phones(script.random));
    let trunk = script.trunk_calls(client);
    let phone = script.ring(trunk, extension);
    script.wait(0, 30_000);
    let (status, cause, disposition) =
        [("NOANSWER", 0, Disposition::Missed), ("BUSY", 17, Disposition::Busy), ("CANCEL", 0, Disposition::Cancelled)]
            [script.random.usize(..3)];
    give_up(&mut script, trunk, phone, status, cause);
    script.dial_over(trunk, status);
    script.dial_status(trunk, status);
    script.moment();
    script.hang_up(trunk, cause);
    script.tells("unanswered", Direction::Inbound, client, "", disposition)
}

fn group(mut script: Script<'_>) -> Life {
    let (client, extensions) = (client(&mut script), phones::<3>(script.random));
    let trunk = script.trunk_calls(client);
    let members = extensions.map(|extension| {
        script.moment();
        script.ring(trunk, extension)
    });
    script.wait(0, 10_000);
    let winner = script.random.usize(..3);
    script.state(members[winner], 6);
    script.dial_ends(trunk, members[winner], "ANSWER");
    let lose_first = script.random.bool();
    let lose = |script: &mut Script<'_>| {
        for loser in (0..3).filter(|n| *n != winner) {
            script.moment();
            give_up(script, trunk, members[loser], "CANCEL", 26);
        }
    };
    if lose_first {
        lose(&mut script);
    }
    script.state(trunk, 6);
    script.connect(trunk, members[winner]);
    script.talk(extensions[winner]);
    if !lose_first {
        lose(&mut script);
    }
    script.wait(0, 60_000);
    end(&mut script, trunk, members[winner], extensions[winner]);
    script.tells("group", Direction::Inbound, client, "", Disposition::Missed)
}

fn two_steps(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let trunk = script.trunk_calls(client);
    let one = script.ring(trunk, first);
    script.wait(0, 10_000);
    give_up(&mut script, trunk, one, "NOANSWER", 0);
    script.dial_over(trunk, "NOANSWER");
    script.dial_status(trunk, "NOANSWER");
    script.moment();
    let two = script.ring(trunk, second);
    script.wait(0, 10_000);
    answer(&mut script, trunk, two, second);
    script.wait(0, 30_000);
    end(&mut script, trunk, two, second);
    script.tells("two steps", Direction::Inbound, client, "", Disposition::Missed)
}

/// A group whose members are Local channels; one telephone answers behind its pair.
fn local_members(mut script: Script<'_>) -> Life {
    let (client, extensions) = (client(&mut script), phones::<2>(script.random));
    let trunk = script.trunk_calls(client);
    let members = extensions.map(|extension| {
        let (one, two) = script.local(extension, trunk);
        script.dial(trunk, one, extension);
        script.moment();
        let phone = script.ring(two, extension);
        (one, two, phone)
    });
    script.wait(0, 10_000);
    let winner = script.random.usize(..2);
    let (one, two, phone) = members[winner];
    script.state(phone, 6);
    script.dial_ends(two, phone, "ANSWER");
    script.state(two, 6);
    script.state(one, 6);
    script.dial_ends(trunk, one, "ANSWER");
    let lost = members[1 - winner];
    script.hang_up(lost.0, 26);
    give_up(&mut script, lost.1, lost.2, "CANCEL", 26);
    script.dial_status(lost.1, "CANCEL");
    script.hang_up(lost.1, 26);
    script.connect(two, phone);
    script.state(trunk, 6);
    script.connect(trunk, one);
    script.talk(extensions[winner]);
    script.wait(0, 30_000);
    script.hush(extensions[winner]);
    script.part(trunk, one);
    script.hang_up(one, 16);
    script.part(two, phone);
    script.dial_over(two, "ANSWER");
    script.hang_up(phone, 16);
    script.hang_up(two, 16);
    script.dial_over(trunk, "ANSWER");
    script.moment();
    script.hang_up(trunk, 16);
    script.tells("local members", Direction::Inbound, client, "", Disposition::Missed)
}

/// A queue: nobody takes the first round; then one does, or the client gives up.
fn queued(mut script: Script<'_>) -> Life {
    let (client, extensions) = (client(&mut script), phones::<2>(script.random));
    let trunk = script.trunk_calls(client);
    script.state(trunk, 6);
    script.say(Event::QueueJoin { queue: b"700", channel: script.ch(trunk) });
    script.moment();
    for member in queue_round(&mut script, trunk, extensions) {
        // New servers end the Dial of a member twice.
        give_up(&mut script, trunk, member, "NOANSWER", 0);
        script.dial_ends(trunk, member, "CANCEL");
        script.moment();
    }
    script.wait(0, 5000);
    let members = queue_round(&mut script, trunk, extensions);
    if script.random.u8(..3) == 0 {
        script.say(Event::QueueAbandon { queue: b"700", channel: script.ch(trunk) });
        for member in members {
            give_up(&mut script, trunk, member, "CANCEL", 0);
        }
        script.say(Event::QueueLeave { queue: b"700", channel: script.ch(trunk) });
        script.hang_up(trunk, 0);
        return script.tells("queue abandoned", Direction::Inbound, client, "", Disposition::Missed);
    }
    script.state(members[1], 6);
    script.dial_ends(trunk, members[1], "ANSWER");
    give_up(&mut script, trunk, members[0], "CANCEL", 26);
    script.say(Event::QueueLeave { queue: b"700", channel: script.ch(trunk) });
    let (caller, member) = (script.ch(trunk), script.ch(members[1]));
    script.say(Event::AgentConnect { queue: b"700", caller, member });
    script.connect(trunk, members[1]);
    script.talk(extensions[1]);
    script.wait(0, 30_000);
    script.hush(extensions[1]);
    script.part(trunk, members[1]);
    script.hang_up(members[1], 16);
    script.hang_up(trunk, 16);
    script.tells("queue", Direction::Inbound, client, "", Disposition::Missed)
}

/// All members ring for ten seconds at most; queues of old servers have no Dial.
fn queue_round(script: &mut Script<'_>, trunk: usize, extensions: [&'static str; 2]) -> [usize; 2] {
    let members = extensions.map(|extension| {
        let member = script.called(extension, trunk);
        script.rings(extension);
        if script.style == Style::New {
            script.dial(trunk, member, extension);
        }
        let (caller, dest) = (script.ch(trunk), script.ch(member));
        script.say(Event::AgentCalled { queue: b"700", caller, dest });
        script.state(member, 5);
        member
    });
    script.wait(0, 10_000);
    members
}

fn outbound(mut script: Script<'_>) -> Life {
    let (client, [extension]) = (client(&mut script), phones(script.random));
    let phone = script.calls(extension, client);
    script.moment();
    let trunk = script.called("trunk", phone);
    script.dial(phone, trunk, text(format!("{client}@trunk")));
    script.wait(0, 20_000);
    let (status, cause, disposition) = [
        ("ANSWER", 16, Disposition::Answered),
        ("BUSY", 17, Disposition::Busy),
        ("CANCEL", 0, Disposition::Cancelled),
        ("CHANUNAVAIL", 1, Disposition::Failed),
    ][script.random.usize(..4)];
    if status == "ANSWER" {
        answer(&mut script, phone, trunk, extension);
        script.wait(0, 30_000);
        end(&mut script, phone, trunk, extension);
    } else {
        give_up(&mut script, phone, trunk, status, cause);
        script.dial_over(phone, status);
        script.dial_status(phone, status);
        script.hang_up(phone, cause);
    }
    script.tells("outbound", Direction::Outbound, client, extension, disposition)
}

/// The first trunk has no line free, the second one has.
fn two_trunks(mut script: Script<'_>) -> Life {
    let (client, [extension]) = (client(&mut script), phones(script.random));
    let phone = script.calls(extension, client);
    let first = script.called("trunk", phone);
    script.dial(phone, first, text(format!("{client}@trunk")));
    script.wait(0, 500);
    give_up(&mut script, phone, first, "CONGESTION", 34);
    script.dial_over(phone, "CONGESTION");
    script.dial_status(phone, "CONGESTION");
    script.moment();
    let second = script.called("trunk_2", phone);
    script.dial(phone, second, text(format!("{client}@trunk_2")));
    script.wait(0, 9000);
    answer(&mut script, phone, second, extension);
    script.wait(0, 30_000);
    end(&mut script, phone, second, extension);
    script.tells("two trunks", Direction::Outbound, client, extension, Disposition::Failed)
}

fn internal(mut script: Script<'_>) -> Life {
    let [caller, called] = phones(script.random);
    let one = script.calls(caller, called);
    let two = script.ring(one, called);
    script.wait(0, 9000);
    answer(&mut script, one, two, called);
    script.wait(0, 30_000);
    end(&mut script, one, two, called);
    script.tells("internal", Direction::Internal, called, caller, Disposition::Missed)
}

/// Hold: the bridge of new servers stays; old ones part and link the two in one moment, and again for each re-INVITE.
fn held(mut script: Script<'_>) -> Life {
    let (client, [extension]) = (client(&mut script), phones(script.random));
    let (trunk, phone) = talking(&mut script, client, extension);
    for _ in 0..script.random.u8(1..8) {
        if script.style == Style::Old {
            script.part(trunk, phone);
            script.connect(trunk, phone);
        }
        script.wait(0, 9000);
    }
    end(&mut script, trunk, phone, extension);
    script.tells("held", Direction::Inbound, client, "", Disposition::Missed)
}

impl Expected {
    pub fn is_of_a_client(&self) -> bool {
        self.direction != Direction::Internal
    }
}

//! Transfers, pickups, parking, conferences and click-to-call, which each generation of servers tells in its own way.

use super::scenarios::{answer, client, end, give_up, phones, talking};
use super::{Life, Script, text};
use ringpost::ami::event::{Channel, Event};
use ringpost::call::record::{Direction, Disposition};

pub const NEW: [fn(Script<'_>) -> Life; 7] = [blind, attended, picked_up, parked, conference, clicked, optimised];
pub const OLD: [fn(Script<'_>) -> Life; 5] = [blind, swapped, swapped_pickup, swapped_parking, clicked];

/// The client is given to another telephone, which answers, or does not and the first one gets him back.
fn blind(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let (trunk, phone) = talking(&mut script, client, first);
    let is_new = script.style == super::Style::New;
    if is_new {
        let (transferer, transferee) = (script.ch(phone), script.ch(trunk));
        script.say(Event::BlindTransfer {
            transferer,
            transferee,
            exten: second.as_bytes(),
            context: b"from-internal",
        });
    }
    script.hush(first);
    script.part(trunk, phone);
    script.dial_over(trunk, "ANSWER");
    let hangs_up_late = script.random.bool();
    if !hangs_up_late {
        script.hang_up(phone, 16);
    }
    script.moment();
    let target = script.ring(trunk, second);
    if hangs_up_late {
        script.hang_up(phone, 16);
    }
    script.wait(0, 15_000);
    if script.random.bool() {
        answer(&mut script, trunk, target, second);
        script.wait(0, 20_000);
        end(&mut script, trunk, target, second);
        return script.tells("blind", Direction::Inbound, client, "", Disposition::Missed);
    }
    give_up(&mut script, trunk, target, "NOANSWER", 0);
    script.dial_over(trunk, "NOANSWER");
    script.moment();
    let back = script.ring(trunk, first);
    script.wait(0, 5000);
    answer(&mut script, trunk, back, first);
    script.wait(0, 20_000);
    end(&mut script, trunk, back, first);
    script.tells("blind, back", Direction::Inbound, client, "", Disposition::Missed)
}

/// The first asks the second on another line, then gives him the client; by a swap of channels, as SIP telephones do.
fn attended(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let (trunk, phone) = talking(&mut script, client, first);
    let asking = script.calls(first, second);
    let asked = script.ring(asking, second);
    script.wait(0, 5000);
    script.state(asked, 6);
    script.dial_ends(asking, asked, "ANSWER");
    script.state(asking, 6);
    script.connect(asking, asked);
    script.wait(0, 10_000);
    let (clients, others) = (script.bridge_of(trunk), script.bridge_of(asked));
    script.hush(first);
    script.leave(trunk, clients);
    script.leave(asking, others);
    script.enter(trunk, others, Some(asking));
    script.talk(second);
    script.relink(asked, trunk);
    script.leave(phone, clients);
    let (transferer, twice, transferee) = (script.ch(phone), script.ch(asking), script.ch(trunk));
    let target = script.ch(asked);
    script.say(Event::AttendedTransfer { transferer, second: twice, transferee, target });
    script.hang_up(phone, 16);
    script.moment();
    script.hang_up(asking, 16);
    script.wait(0, 20_000);
    end(&mut script, trunk, asked, second);
    script.tells("attended", Direction::Inbound, client, "", Disposition::Missed)
}

/// The same on old servers: the client's channel takes the place of the one that asked.
fn swapped(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let (trunk, phone) = talking(&mut script, client, first);
    let asking = script.calls(first, second);
    let asked = script.ring(asking, second);
    script.wait(0, 5000);
    script.state(asked, 6);
    script.state(asking, 6);
    script.connect(asking, asked);
    script.wait(0, 10_000);
    script.hush(first);
    script.masquerade(trunk, asking);
    script.talk(second);
    script.part(trunk, phone);
    script.hang_up(phone, 16);
    script.dial_over(trunk, "ANSWER");
    script.hang_up(trunk, 16);
    script.wait(0, 20_000);
    end(&mut script, asking, asked, second);
    script.tells("attended by a swap", Direction::Inbound, client, "", Disposition::Missed)
}

/// Another telephone takes the call that rings at the first.
fn picked_up(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let trunk = script.trunk_calls(client);
    let ringing = script.ring(trunk, first);
    script.wait(0, 9000);
    let taking = script.calls(second, "*8");
    script.moment();
    script.state(taking, 6);
    let (channel, target) = (script.ch(taking), script.ch(ringing));
    script.say(Event::Pickup { channel, target });
    script.hang_up(ringing, 26);
    script.dial_ends(trunk, taking, "ANSWER");
    script.state(trunk, 6);
    script.connect(trunk, taking);
    script.talk(second);
    script.relink(taking, trunk);
    script.wait(0, 20_000);
    end(&mut script, trunk, taking, second);
    script.tells("pickup", Direction::Inbound, client, "", Disposition::Missed)
}

fn swapped_pickup(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let trunk = script.trunk_calls(client);
    let ringing = script.ring(trunk, first);
    script.wait(0, 9000);
    let taking = script.calls(second, "*8");
    script.state(taking, 6);
    let (channel, target) = (script.ch(taking), script.ch(ringing));
    script.masquerade(taking, ringing);
    if script.random.bool() {
        script.say(Event::Pickup { channel, target: Channel { name: target.name, ..<_>::default() } });
    }
    script.state(trunk, 6);
    script.hang_up(taking, 26);
    script.connect(trunk, ringing);
    script.talk(second);
    script.wait(0, 20_000);
    end(&mut script, trunk, ringing, second);
    script.tells("pickup by a swap", Direction::Inbound, client, "", Disposition::Missed)
}

/// The client is parked and taken by another telephone, or after a while by the one that parked him.
fn parked(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let (trunk, phone) = talking(&mut script, client, first);
    let (basic, lot) = (script.bridge_of(trunk), script.bridge("parking"));
    script.hush(first);
    script.leave(trunk, basic);
    script.enter(trunk, lot, None);
    script.say(Event::Parked { parkee: script.ch(trunk), space: b"801" });
    script.leave(phone, basic);
    script.hang_up(phone, 16);
    script.wait(0, 12_000);
    if script.random.bool() {
        let taking = script.calls(second, "801");
        script.state(taking, 6);
        let (parkee, retriever) = (script.ch(trunk), script.ch(taking));
        script.say(Event::Unparked { parkee, retriever, timed_out: false });
        script.leave(trunk, lot);
        script.connect(trunk, taking);
        script.talk(second);
        script.relink(taking, trunk);
        script.wait(0, 20_000);
        end(&mut script, trunk, taking, second);
        return script.tells("parked", Direction::Inbound, client, "", Disposition::Missed);
    }
    let (parkee, retriever) = (script.ch(trunk), Channel::default());
    script.say(Event::Unparked { parkee, retriever, timed_out: true });
    script.leave(trunk, lot);
    let back = script.ring(trunk, first);
    script.wait(0, 9000);
    answer(&mut script, trunk, back, first);
    script.wait(0, 9000);
    end(&mut script, trunk, back, first);
    script.tells("parked too long", Direction::Inbound, client, "", Disposition::Missed)
}

/// The same on old servers: the client goes on in a channel made for the lot, and so does the one who parked him.
fn swapped_parking(mut script: Script<'_>) -> Life {
    let (client, [first, second]) = (client(&mut script), phones(script.random));
    let (trunk, phone) = talking(&mut script, client, first);
    let (parked, parker) = (script.helper("Parking", trunk), script.helper("SIPPeer", phone));
    script.hush(first);
    script.masquerade(trunk, parked);
    script.part(trunk, phone);
    script.masquerade(phone, parker);
    script.hang_up(phone, 16);
    script.say(Event::Parked { parkee: script.ch(parked), space: b"801" });
    script.dial_over(trunk, "ANSWER");
    script.hang_up(trunk, 16);
    script.hang_up(parker, 16);
    script.wait(0, 12_000);
    let taking = script.calls(second, "801");
    let (parkee, retriever) = (script.ch(parked), Channel::default());
    script.say(Event::Unparked { parkee, retriever, timed_out: false });
    script.state(taking, 6);
    script.connect(taking, parked);
    script.talk(second);
    script.wait(0, 20_000);
    script.hush(second);
    script.part(taking, parked);
    script.hang_up(parked, 16);
    script.hang_up(taking, 16);
    script.tells("parked by a swap", Direction::Inbound, client, "", Disposition::Missed)
}

/// A client in a conference talks to nobody that is a call's other party.
fn conference(mut script: Script<'_>) -> Life {
    let client = client(&mut script);
    let trunk = script.trunk_calls(client);
    script.state(trunk, 6);
    let room = script.bridge("base");
    script.enter(trunk, room, None);
    script.wait(0, 20_000);
    script.leave(trunk, room);
    script.hang_up(trunk, 16);
    script.tells("conference", Direction::Inbound, client, "", Disposition::Missed)
}

/// The CRM has the telephone ring, which then dials outside.
fn clicked(mut script: Script<'_>) -> Life {
    let (client, [extension]) = (client(&mut script), phones(script.random));
    let phone = script.originated(extension);
    script.wait(0, 9000);
    script.state(phone, 6);
    script.moment();
    let trunk = script.called("trunk", phone);
    script.dial(phone, trunk, text(format!("{client}@trunk")));
    script.wait(0, 9000);
    answer(&mut script, phone, trunk, extension);
    script.wait(0, 20_000);
    end(&mut script, phone, trunk, extension);
    script.tells("click to call", Direction::Outbound, client, extension, Disposition::Missed)
}

/// A Local pair between trunk and telephone is taken out after the answer.
fn optimised(mut script: Script<'_>) -> Life {
    let (client, [extension]) = (client(&mut script), phones(script.random));
    let trunk = script.trunk_calls(client);
    let (one, two) = script.local(extension, trunk);
    script.dial(trunk, one, extension);
    let phone = script.ring(two, extension);
    script.wait(0, 9000);
    script.state(phone, 6);
    script.dial_ends(two, phone, "ANSWER");
    script.state(two, 6);
    script.state(one, 6);
    script.dial_ends(trunk, one, "ANSWER");
    script.connect(two, phone);
    script.connect(trunk, one);
    script.talk(extension);
    script.wait(0, 300);
    let (source, halves) = (script.ch(phone), [script.ch(one), script.ch(two)]);
    let told = |end| Event::LocalOptimization { one: halves[0], two: halves[1], source, end };
    script.say(told(false));
    let (stays, goes) = (script.bridge_of(trunk), script.bridge_of(phone));
    script.hush(extension);
    script.leave(phone, goes);
    script.leave(one, stays);
    script.enter(phone, stays, Some(one));
    script.talk(extension);
    script.say(told(true));
    script.leave(two, goes);
    script.hang_up(two, 16);
    script.moment();
    script.hang_up(one, 16);
    script.wait(0, 20_000);
    end(&mut script, trunk, phone, extension);
    script.tells("optimised away", Direction::Inbound, client, "", Disposition::Missed)
}

impl Script<'_> {
    /// A telephone that is rung by a manager's Originate: nobody dialled it.
    fn originated(&mut self, extension: &'static str) -> usize {
        let n = self.alone(extension);
        if self.style == super::Style::New {
            self.say(Event::DialBegin { caller: None, dest: self.ch(n), dial_string: extension.as_bytes() });
        }
        self.state(n, 5);
        n
    }
}

//! The hub in virtual time: a PBX that says what it is told to, a real ring on a simulated medium, a mirror and a
//! portal that are as slow, late or broken as the test wants. What counts is what the portal holds at the end.

// What the tests play in.
mod desks;
mod lane;
mod pbx;
mod world;

mod cards;
mod clocks;
mod handover;
mod identity;
mod kills;
mod link;
mod outages;
mod recordings;
mod retry;
mod several;
mod unjournalled;
mod withheld;

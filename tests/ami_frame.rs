//! The framer on real transcripts and on bytes that no server should send.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;

use ringpost::ami::frame::{Frame, Framer};
use ringpost::limits::{AMI_BUFFER_BYTES, AMI_LINE_BYTES, AMI_PACKET_BYTES, AMI_PACKET_LINES, AMI_SKIP_BYTES};

/// A frame, kept: what kind, its lines, whether it was cut.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    kind: char,
    lines: Vec<Vec<u8>>,
    cut: bool,
}

fn keep(frame: Frame<'_>) -> Kept {
    let (kind, packet) = match frame {
        Frame::Banner(line) => return Kept { kind: 'b', lines: vec![line.to_vec()], cut: false },
        Frame::Packet(packet) => ('p', packet),
        Frame::Output(packet) => ('o', packet),
    };
    Kept { kind, lines: packet.lines().map(<[u8]>::to_vec).collect(), cut: packet.is_cut() }
}

/// Feeds `bytes` in pieces whose lengths `piece` chooses and collects every frame.
fn frames_in_pieces(bytes: &[u8], mut piece: impl FnMut() -> usize) -> (Vec<Kept>, Framer) {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = piece().clamp(1, rest.len());
        let taken = framer.feed(&rest[..length]);
        assert!(taken > 0, "a drained framer has room");
        rest = &rest[taken..];
        while let Some(frame) = framer.next() {
            frames.push(keep(frame));
        }
        assert!(framer.buffer_bytes() <= AMI_PACKET_BYTES + AMI_SKIP_BYTES);
    }
    (frames, framer)
}

fn frames(bytes: &[u8]) -> Vec<Kept> {
    frames_in_pieces(bytes, || usize::MAX).0
}

fn lines(kept: &Kept) -> Vec<&str> {
    kept.lines.iter().map(|line| std::str::from_utf8(line).expect("test text")).collect()
}

/// Frames must not depend on where reads end: whole, byte by byte, and in random pieces.
fn assert_split_invariant(name: &str, bytes: &[u8]) {
    let whole = frames(bytes);
    let mut random = fastrand::Rng::with_seed(bytes.len() as u64);
    assert!(whole == frames_in_pieces(bytes, || 1).0, "{name}: byte by byte");
    for most in [3, 40, 700, 9000] {
        assert!(whole == frames_in_pieces(bytes, || random.usize(1..=most)).0, "{name}: pieces up to {most}");
    }
}

#[test]
fn every_transcript_frames_as_a_naive_reader_has_it() {
    for transcript in corpus::all() {
        let naive = corpus::naive_packets(&transcript.bytes);
        let framed: Vec<_> = frames(&transcript.bytes)
            .into_iter()
            .filter(|frame| frame.kind == 'p')
            .map(|mut frame| {
                corpus::drop_banners(&mut frame.lines);
                frame.lines
            })
            .filter(|lines| lines.iter().any(|line| line.starts_with(b"Event: ") || line.starts_with(b"Response: ")))
            .collect();
        assert_eq!(naive.len(), framed.len(), "{}", transcript.name);
        assert!(naive == framed, "{}", transcript.name);
    }
}

#[test]
fn every_transcript_frames_the_same_however_it_is_split() {
    for transcript in corpus::all() {
        assert_split_invariant(&transcript.name, &transcript.bytes);
    }
}

#[test]
fn banner_and_first_packet_may_come_together() {
    let got = frames(b"Asterisk Call Manager/1.3\r\nResponse: Error\r\nMessage: no\r\n\r\n");
    assert_eq!(got.len(), 2);
    assert_eq!((got[0].kind, lines(&got[0])), ('b', vec!["Asterisk Call Manager/1.3"]));
    assert_eq!((got[1].kind, lines(&got[1])), ('p', vec!["Response: Error", "Message: no"]));
}

#[test]
fn a_missing_banner_costs_no_packet() {
    let got = frames(b"Response: Success\r\nActionID: 1\r\n\r\nEvent: X\r\n\r\n");
    assert_eq!(got.iter().map(|frame| frame.kind).collect::<String>(), "pp");
}

#[test]
fn bare_lf_mixed_ends_and_extra_empty_lines() {
    let got = frames(b"b/1\n\r\nEvent: A\nX: 1\n\n\r\n\n\r\nEvent: B\r\n\nEvent: C\n\r\n");
    let texts: Vec<_> = got.iter().map(lines).collect();
    assert_eq!(texts, [vec!["b/1"], vec!["Event: A", "X: 1"], vec!["Event: B"], vec!["Event: C"]]);
}

#[test]
fn a_lone_cr_and_a_line_without_a_colon_stay_in_the_packet() {
    let got = frames(b"b/1\r\nEvent: Reload\r\nno colon here\r\nStatus: a\r/n\r\nX: \xff\xfe\0\r\n\r\n");
    assert_eq!(got[1].lines, [&b"Event: Reload"[..], b"no colon here", b"Status: a\r/n", b"X: \xff\xfe\0"]);
    let mut framer = Framer::new();
    framer.feed(b"b/1\nEvent:A\nbroken\nX:  y \nx: 2\n\n");
    framer.next();
    let Some(Frame::Packet(packet)) = framer.next() else { panic!("a packet") };
    let headers: Vec<_> = packet.headers().collect();
    assert_eq!(headers, [(&b"Event"[..], &b"A"[..]), (b"X", b" y "), (b"x", b"2")]);
    assert_eq!(packet.header(b"X"), Some(&b" y "[..]), "the first of equal names wins, case disregarded");
}

#[test]
fn old_command_output_runs_to_its_end_mark() {
    let text = b"b/1\r\nResponse: Follows\r\nPrivilege: Command\r\nActionID: 7\r\n\nSome: text\n\n\nEvent: Hangup\n\n\
        --END COMMAND--\r\n\r\nEvent: A\r\n\r\nresponse: follows\nno LF before the mark--END COMMAND--\r\n\r\nEvent: B\r\n\r\n";
    let got = frames(text);
    assert_eq!(got.iter().map(|frame| frame.kind).collect::<String>(), "bopop");
    assert_eq!(lines(&got[1])[..4], ["Response: Follows", "Privilege: Command", "ActionID: 7", ""]);
    assert_eq!(lines(&got[2]), ["Event: A"]);
    assert_eq!(lines(&got[4]), ["Event: B"]);
    assert_split_invariant("output", text);
}

#[test]
fn yeastar_text_messages_do_not_swallow_the_next_event() {
    let text = b"b/1.1\r\nEvent: ReceivedSMS\r\nPrivilege: all,smscommand\r\nContent: a%20b\r\nmore\r\n\r\nlast\r\n\
        --END SMS EVENT--\r\nEvent: Hangup\r\nCause: 16\r\n\r\n";
    let got = frames(text);
    assert_eq!(lines(got.last().expect("frames")), ["Event: Hangup", "Cause: 16"]);
    assert_split_invariant("sms", text);
}

#[test]
fn a_half_packet_at_the_end_is_never_handed_out() {
    let (got, framer) = frames_in_pieces(b"b/1\r\nEvent: A\r\n\r\nEvent: Hangup\r\nCause: 1", || 5);
    assert_eq!(got.len(), 2);
    assert!(framer.is_within_packet());
}

#[test]
fn an_overlong_line_is_cut_and_the_packet_goes_on() {
    let mut text = b"b/1\r\nEvent: A\r\nX: ".to_vec();
    text.resize(text.len() + 1_000_000, b'x');
    text.extend_from_slice(b"\r\nY: 2\r\n\r\nEvent: B\r\n\r\n");
    let (got, mut framer) = frames_in_pieces(&text, || 1400);
    assert_eq!(got.len(), 3);
    assert_eq!(got[1].lines.iter().map(Vec::len).collect::<Vec<_>>(), [8, AMI_LINE_BYTES, 4]);
    assert!(got[1].cut && !got[2].cut);
    assert_eq!(framer.skipped().oversize_lines, 1);
    framer.space();
    assert_eq!(framer.buffer_bytes(), AMI_BUFFER_BYTES, "memory is given back");
    assert_split_invariant("long line", &text);
}

#[test]
fn an_endless_packet_keeps_its_head_only() {
    let mut text = b"b/1\r\nEvent: A\r\n".to_vec();
    for index in 0..20_000 {
        text.extend_from_slice(format!("Header{index}: some value that takes room\r\n").as_bytes());
    }
    text.extend_from_slice(b"\r\nEvent: B\r\n\r\n");
    let (got, framer) = frames_in_pieces(&text, || 1400);
    assert_eq!(got.len(), 3);
    assert!(got[1].cut && lines(&got[1])[1] == "Header0: some value that takes room");
    assert!(got[1].lines.iter().map(|line| line.len() + 2).sum::<usize>() <= AMI_PACKET_BYTES);
    assert_eq!(lines(&got[2]), ["Event: B"]);
    assert_eq!(framer.skipped().oversize_packets, 1);
    assert_split_invariant("endless packet", &text);
}

#[test]
fn many_short_lines_are_capped_too() {
    let mut text = b"b/1\nEvent: A\n".to_vec();
    text.extend(b"x\n".repeat(AMI_PACKET_LINES * 3));
    text.extend_from_slice(b"\nEvent: B\n\n");
    let got = frames(&text);
    assert_eq!((got.len(), got[1].lines.len(), got[1].cut), (3, AMI_PACKET_LINES, true));
    assert_split_invariant("short lines", &text);
}

#[test]
fn caps_hold_at_their_very_edge() {
    for extra in 0..6 {
        let mut text = b"b/1\r\nEvent: A\r\n".to_vec();
        text.resize(text.len() + AMI_LINE_BYTES - 3 + extra, b'y');
        text.extend_from_slice(b"\r\n");
        text.resize(text.len() + AMI_PACKET_BYTES - AMI_LINE_BYTES - 20 + 2 * extra, b'z');
        text.extend_from_slice(b"\r\nZ: 1\r\n\r\nEvent: B\r\n\r\n");
        assert_split_invariant("edge", &text);
    }
}

#[test]
fn garbage_frames_the_same_however_it_is_split() {
    let alphabet: [&[u8]; 12] = [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b": ",
        b"Response: Follows\r\n",
        b"--END COMMAND--\r\n",
        b"Event: Hangup\r\n",
        b"--END SMS EVENT--\r\n",
        b"x",
        b"\0\xff",
        b"ActionID: 1\n",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..60 {
        let mut text = Vec::new();
        for _ in 0..random.usize(1..400) {
            text.extend_from_slice(alphabet[random.usize(..alphabet.len())]);
            if random.u32(..200) == 0 {
                text.resize(text.len() + random.usize(..AMI_PACKET_BYTES), b'q');
            }
        }
        assert_split_invariant("garbage", &text);
    }
}

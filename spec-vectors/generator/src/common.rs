//! Families of vectors that every packet has: its beginnings, its cuts, bytes left over, packet identifiers.

use crate::build::{Cut, integer};
use crate::packet::Case;
use crate::rules::{Fault, Rule};
use crate::vector::{Set, Vector};
use crate::version::{Direction, Version};

/// A packet to vary: a word for its vectors' names, and in which direction it goes.
pub struct Sample {
    pub file: &'static str,
    pub name: &'static str,
    pub direction: Direction,
    pub case: Case,
}

impl Sample {
    pub fn new(file: &'static str, name: &'static str, direction: Direction, case: Case) -> Self {
        Self {
            file,
            name,
            direction,
            case,
        }
    }
}

/// Each beginning of the packet.
pub fn prefixes(set: &mut Set, sample: &Sample) {
    let bytes = sample.case.body.packet();
    for len in 1..bytes.len() {
        let cites = set.version.pick("U31-08", "U3-04", "U5-06");
        let name = format!("{}-first-{len}", sample.name);
        let vector = Vector::incomplete(name, sample.direction, bytes[..len].to_vec(), cites);
        let comment = format!("the first {len} of {} bytes", bytes.len());
        set.add(sample.file, vector.comment(comment));
    }
}

/// The fault of a packet whose Remaining Length ends its body after `len` bytes, and where; `None` if it is none.
fn fault_of_cut(version: Version, case: &Case, len: usize) -> Option<(Fault, usize, String)> {
    let header = 1 + integer(len).len();
    let field = case
        .body
        .fields
        .iter()
        .find(|field| (field.start..field.end).contains(&len))?;
    let before = len == field.start;
    if let Some(block) = field.block {
        return Some((
            Rule::PropertyBlock.of(version),
            header + block,
            "the properties".into(),
        ));
    }
    match field.cut {
        Cut::MayEndInside => return None,
        Cut::MayEndBefore if before => return None,
        Cut::First(rule) if before => {
            return Some((
                rule.of(version),
                header + len,
                format!("{} is not there", field.name),
            ));
        }
        _ => {}
    }
    let fault = Rule::Truncated.of(version).also(version, field.cites);
    let what = if before {
        "is not there"
    } else {
        "runs past the end"
    };
    Some((
        fault,
        header + field.start,
        format!("{} {what}", field.name),
    ))
}

/// The packet ended at each byte by its Remaining Length. With `behind`, the bytes that are cut off stand behind the
/// packet, where a reader that does not keep to the Remaining Length finds them.
pub fn cuts(set: &mut Set, sample: &Sample, behind: bool) {
    let body = &sample.case.body;
    for len in 0..body.bytes.len() {
        let Some((fault, offset, what)) = fault_of_cut(set.version, &sample.case, len) else {
            continue;
        };
        let mut name = format!("{}-cut-to-{len}", sample.name);
        let mut comment = format!("remaining length {len}: {what}");
        if behind {
            name += "-with-rest";
            comment += ", though its bytes follow";
        }
        let mut vector = Vector::refused(name, sample.direction, body.cut_to(len), fault, offset);
        if behind {
            vector = vector.followed_by(&body.bytes[len..]);
        }
        set.add(sample.file, vector.comment(comment));
    }
}

/// One byte more than the packet has fields for, and a whole packet inside its Remaining Length.
pub fn left_over(set: &mut Set, sample: &Sample, also: [&'static str; 3]) {
    let version = set.version;
    let body = &sample.case.body;
    for (what, more) in [("byte", &[0][..]), ("pingreq", &[0xC0, 0x00])] {
        let bytes = body.longer(more);
        let offset = bytes.len() - more.len();
        let fault = Rule::Trailing.of(version).also(version, also);
        let name = format!("{}-left-over-{what}", sample.name);
        let vector = Vector::refused(name, sample.direction, bytes, fault, offset);
        let comment = format!(
            "{} left over behind the last field",
            if what == "byte" {
                "one byte"
            } else {
                "a PINGREQ"
            }
        );
        set.add(sample.file, vector.comment(comment));
    }
}

/// Packet Identifier 0, and those at the bounds.
pub fn packet_ids(
    set: &mut Set,
    file: &'static str,
    number: u8,
    direction: Direction,
    make: impl Fn(u16) -> Case,
) {
    let version = set.version;
    for id in [1, 0x00FF, 0x0100, 0x7FFF, 0x8000, 0xFFFF] {
        let vector = Vector::valid(
            format!("packet-id-{id}"),
            direction,
            &make(id),
            version.pick("U31-50", "U3-01", "U5-01"),
        );
        set.add(file, vector.comment(format!("packet identifier {id}")));
    }
    let case = make(0);
    let (bytes, at) = (case.body.packet(), case.body.at("packet id"));
    let fault = Rule::PacketIdZero(number).of(version);
    set.add(
        file,
        Vector::refused("packet-id-0", direction, bytes, fault, at).comment("packet identifier 0"),
    );
}

/// A name for an identifier, out of a title.
pub fn kebab(title: &str) -> String {
    title.to_lowercase().replace([' ', '_'], "-")
}

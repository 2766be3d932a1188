//! The three versions, the two directions, and the tables of the standard.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub enum Version {
    V31,
    V311,
    V5,
}

pub use Version::{V5, V31, V311};

impl Version {
    pub const ALL: [Self; 3] = [V31, V311, V5];

    pub fn name(self) -> &'static str {
        match self {
            V31 => "3.1",
            V311 => "3.1.1",
            V5 => "5.0",
        }
    }

    pub fn is_5(self) -> bool {
        self == V5
    }

    /// Picks what belongs to this version.
    pub fn pick<T>(self, v31: T, v311: T, v5: T) -> T {
        match self {
            V31 => v31,
            V311 => v311,
            V5 => v5,
        }
    }
}

#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    C2s,
    S2c,
    Any,
}

pub use Direction::{Any, C2s, S2c};

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            C2s => "c2s",
            S2c => "s2c",
            Any => "any",
        }
    }

    /// The directions in which a thing is wrong that is right in this one only.
    pub fn opposite(self) -> Option<Self> {
        match self {
            C2s => Some(S2c),
            S2c => Some(C2s),
            Any => None,
        }
    }
}

/// A row of `tables/properties.json`.
#[derive(Debug, Deserialize)]
pub struct PropertyRow {
    pub id: String,
    pub name: String,
    pub title: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub packets: BTreeMap<String, Direction>,
    pub repeats: Vec<String>,
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub range_error: Option<String>,
    #[serde(default)]
    pub range_statement: BTreeMap<String, String>,
}

impl PropertyRow {
    pub fn id(&self) -> u8 {
        byte(&self.id)
    }
}

/// A row of `tables/reason_codes.json`.
#[derive(Debug, Deserialize)]
pub struct ReasonRow {
    pub code: String,
    pub name: String,
    pub packets: BTreeMap<String, Direction>,
    #[serde(default)]
    pub ambiguity: BTreeMap<String, BTreeMap<Direction, String>>,
}

/// A row of `tables/packets.json`.
#[derive(Debug, Deserialize)]
pub struct PacketRow {
    pub version: String,
    #[serde(rename = "type")]
    pub number: u8,
    pub flags: Option<String>,
    pub direction: Option<Direction>,
}

#[derive(Debug)]
pub struct Tables {
    pub properties: Vec<PropertyRow>,
    pub reasons: Vec<ReasonRow>,
    pub packets: Vec<PacketRow>,
}

static TABLES: OnceLock<Tables> = OnceLock::new();

/// The tables, once `load` has read them.
pub fn tables() -> &'static Tables {
    TABLES.get().expect("the tables are loaded first")
}

pub fn load(root: &Path) -> Result<(), String> {
    fn rows<T: serde::de::DeserializeOwned>(root: &Path, key: &str) -> Result<Vec<T>, String> {
        let path = root.join("tables").join(format!("{key}.json"));
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut value: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        serde_json::from_value(value[key].take()).map_err(|e| format!("{}: {e}", path.display()))
    }
    let loaded = Tables {
        properties: rows(root, "properties")?,
        reasons: rows(root, "reason_codes")?,
        packets: rows(root, "packets")?,
    };
    TABLES.set(loaded).map_err(|_| "loaded twice".to_owned())
}

pub fn property(id: u8) -> Option<&'static PropertyRow> {
    tables().properties.iter().find(|row| row.id() == id)
}

/// In which direction a packet of this kind may carry a reason code, and under which ambiguities.
pub fn reason(packet: &str, code: u8) -> Option<(Direction, &'static ReasonRow)> {
    tables()
        .reasons
        .iter()
        .filter(|row| byte(&row.code) == code)
        .find_map(|row| Some((*row.packets.get(packet)?, row)))
}

pub fn packet(version: Version, number: u8) -> Option<&'static PacketRow> {
    tables()
        .packets
        .iter()
        .find(|row| row.version == version.name() && row.number == number)
}

fn byte(spelt: &str) -> u8 {
    u8::from_str_radix(spelt.trim_start_matches("0x"), 16).expect("a byte in a table")
}

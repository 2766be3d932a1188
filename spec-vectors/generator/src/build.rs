//! Bytes of a packet that know which field they belong to.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::version::property;

/// What happens to a packet that ends at or inside a field.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Cut {
    /// The field has to be there.
    Needed,
    /// The packet may end before the field, not inside it.
    MayEndBefore,
    /// The packet may end anywhere in it.
    MayEndInside,
    /// Where the first of several would stand: without one, another rule is broken.
    First(crate::rules::Rule),
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: Cow<'static, str>,
    pub start: usize,
    pub end: usize,
    pub cut: Cut,
    /// Statements on the field: of 5.0, 3.1.1, 3.1.
    pub cites: [&'static str; 3],
    /// Where the length of the property block stands that it is in.
    pub block: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Body {
    pub first: u8,
    pub bytes: Vec<u8>,
    pub fields: Vec<Field>,
}

/// A property, as it is written and as it is shown.
#[derive(Clone, Debug)]
pub struct Property {
    pub id: Vec<u8>,
    pub value: Vec<u8>,
    pub json: Value,
}

impl Property {
    pub fn raw(id: &[u8], value: &[u8]) -> Self {
        Self {
            id: id.to_vec(),
            value: value.to_vec(),
            json: Value::Null,
        }
    }

    pub fn byte(id: u8, value: u8) -> Self {
        Self {
            id: vec![id],
            value: vec![value],
            json: json!(value),
        }
    }

    pub fn two(id: u8, value: u16) -> Self {
        Self {
            id: vec![id],
            value: value.to_be_bytes().to_vec(),
            json: json!(value),
        }
    }

    pub fn four(id: u8, value: u32) -> Self {
        Self {
            id: vec![id],
            value: value.to_be_bytes().to_vec(),
            json: json!(value),
        }
    }

    pub fn variable(id: u8, value: u32) -> Self {
        Self {
            id: vec![id],
            value: integer(value as usize),
            json: json!(value),
        }
    }

    pub fn text(id: u8, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        Self {
            id: vec![id],
            value: field(value),
            json: shown(value),
        }
    }

    pub fn binary(id: u8, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        Self {
            id: vec![id],
            value: field(value),
            json: json!(crate::vector::hex(value)),
        }
    }

    pub fn pair(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        let mut bytes = field(name);
        bytes.extend(field(value));
        Self {
            id: vec![0x26],
            value: bytes,
            json: json!([shown(name), shown(value)]),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        [&self.id[..], &self.value[..]].concat()
    }
}

/// Properties as an object: lists for the two that may stand several times.
pub fn properties_json(list: &[Property]) -> Value {
    let mut out = Map::new();
    for item in list {
        let Some(row) = property(item.id[0]) else {
            continue;
        };
        if row.repeats.is_empty() {
            out.insert(row.name.clone(), item.json.clone());
        } else if let Some(Value::Array(items)) = out.get_mut(&row.name) {
            items.push(item.json.clone());
        } else {
            out.insert(row.name.clone(), json!([item.json]));
        }
    }
    Value::Object(out)
}

/// A string as JSON; what is ill-formed never comes so far as to be written.
pub fn shown(bytes: &[u8]) -> Value {
    json!(String::from_utf8_lossy(bytes))
}

/// A string or binary data: two bytes of length and the bytes.
pub fn field(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("a field of at most 65,535 bytes");
    let mut out = len.to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// A Variable Byte Integer in its shortest form.
pub fn integer(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// The same in `len` bytes, more than it needs.
pub fn overlong(value: usize, len: usize) -> Vec<u8> {
    let mut out = integer(value);
    while out.len() < len {
        if let Some(last) = out.last_mut() {
            *last |= 0x80;
        }
        out.push(0);
    }
    out
}

impl Body {
    pub fn new(first: u8) -> Self {
        Self {
            first,
            bytes: Vec::new(),
            fields: Vec::new(),
        }
    }

    pub fn raw(mut self, name: impl Into<Cow<'static, str>>, bytes: &[u8]) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.fields.push(Field {
            name: name.into(),
            start,
            end: self.bytes.len(),
            cut: Cut::Needed,
            cites: [""; 3],
            block: None,
        });
        self
    }

    pub fn byte(self, name: &'static str, value: u8) -> Self {
        self.raw(name, &[value])
    }

    pub fn two(self, name: &'static str, value: u16) -> Self {
        self.raw(name, &value.to_be_bytes())
    }

    pub fn text(self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.raw(name, &field(value.as_ref()))
    }

    /// Says of the field just written what a cut does to it.
    pub fn cut(mut self, cut: Cut) -> Self {
        if let Some(last) = self.fields.last_mut() {
            last.cut = cut;
        }
        self
    }

    pub fn cites(mut self, cites: [&'static str; 3]) -> Self {
        if let Some(last) = self.fields.last_mut() {
            last.cites = cites;
        }
        self
    }

    /// A property block: its length, and each property and its value by number.
    pub fn properties(mut self, prefix: &'static str, list: &[Property]) -> Self {
        let block = self.bytes.len();
        let len: usize = list.iter().map(|item| item.bytes().len()).sum();
        self = self
            .raw(format!("{prefix}properties"), &integer(len))
            .cites(["MQTT-2.2.2-1", "", ""]);
        for (index, item) in list.iter().enumerate() {
            self = self
                .raw(format!("{prefix}property {index}"), &item.id)
                .inside(block);
            self = self
                .raw(format!("{prefix}value {index}"), &item.value)
                .inside(block);
        }
        self
    }

    fn inside(mut self, block: usize) -> Self {
        if let Some(last) = self.fields.last_mut() {
            last.block = Some(block);
        }
        self
    }

    /// Bytes before the body.
    pub fn header(&self) -> usize {
        1 + integer(self.bytes.len()).len()
    }

    /// Where a field begins in the packet.
    pub fn at(&self, name: &str) -> usize {
        let field = self.fields.iter().find(|field| field.name == name);
        self.header() + field.unwrap_or_else(|| panic!("a field {name}")).start
    }

    /// Where the packet ends.
    pub fn end(&self) -> usize {
        self.header() + self.bytes.len()
    }

    pub fn packet(&self) -> Vec<u8> {
        self.with_length(&integer(self.bytes.len()))
    }

    /// The packet with a Remaining Length of its own making.
    pub fn with_length(&self, len: &[u8]) -> Vec<u8> {
        [&[self.first], len, &self.bytes[..]].concat()
    }

    /// The packet with other bytes for a property block and its length; and where the length begins.
    pub fn with_block(&self, prefix: &str, len: &[u8], block: &[u8]) -> (Vec<u8>, usize) {
        let name = format!("{prefix}properties");
        let at = self
            .fields
            .iter()
            .find(|field| field.name == name)
            .expect("a property block");
        let end = self
            .fields
            .iter()
            .filter(|field| field.block == Some(at.start))
            .map(|field| field.end);
        let end = end.max().unwrap_or(at.end);
        let body = [&self.bytes[..at.start], len, block, &self.bytes[end..]].concat();
        let header = [&[self.first], &integer(body.len())[..]].concat();
        let offset = header.len() + at.start;
        ([header, body].concat(), offset)
    }

    /// The packet with this many bytes of its body and a Remaining Length that says so.
    pub fn cut_to(&self, len: usize) -> Vec<u8> {
        [&[self.first], &integer(len)[..], &self.bytes[..len]].concat()
    }

    /// The packet with more bytes at its end and a Remaining Length that says so.
    pub fn longer(&self, more: &[u8]) -> Vec<u8> {
        let body = [&self.bytes[..], more].concat();
        [&[self.first], &integer(body.len())[..], &body[..]].concat()
    }
}

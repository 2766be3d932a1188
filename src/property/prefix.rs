//! Properties out of any bytes, for the feature `arbitrary`.

use super::table::{self, Context, bit};
use super::{Properties, check_value};
use crate::wire::Reader;

impl<'a> Properties<'a> {
    /// As many properties from the beginning of `bytes` as are good and `context` allows.
    pub(crate) fn legal_prefix(bytes: &'a [u8], context: Context) -> Self {
        let allowed = context.allowed & !context.lifted;
        let mut reader = Reader::new(bytes, 0);
        let (mut rest, mut present) = (bytes, 0);
        while let Ok(id) = reader.u8() {
            let this = if id < 64 { bit(id) } else { 0 };
            if this & allowed == 0 || this & present & !bit(table::USER_PROPERTY) != 0 {
                break;
            }
            if check_value(id, &mut reader).is_err() {
                break;
            }
            present |= this;
            rest = reader.rest();
        }
        let length = bytes.len() - rest.len();
        Self::from_encoded(bytes.get(..length).unwrap_or_default(), present)
    }
}

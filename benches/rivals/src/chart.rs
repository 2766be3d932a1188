//! The results as a picture: for each version and some cases, a bar for each crate, the fastest on top.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Results;
use crate::measure::CASES;
use crate::table::{HAND, OURS, of_case, version_name};

const SHOWN: [(&str, &str); 4] = [
    ("decode-mixed", "decode: mixed stream, ns per packet"),
    (
        "decode-publish1",
        "decode: PUBLISH QoS 1, 1 KiB, in 5.0 with 5 properties",
    ),
    ("decode-subscribe", "decode: SUBSCRIBE, 8 filters"),
    ("build-publish0", "build and encode: PUBLISH QoS 0, 64 B"),
];
/// Of each case.
const CRATES: usize = 9;

const PANEL: (u32, u32) = (560, 250);
const TITLE: i32 = 34;
const ROW: i32 = 22;
const NAMES: i32 = 150;
const NUMBERS: i32 = 60;

const FONT: &str = "sans-serif";
const BY_HAND: RGBColor = RGBColor(150, 150, 150);
const OURS_COLOUR: RGBColor = RGBColor(0, 114, 178);
const RIVAL: RGBColor = RGBColor(230, 159, 0);

pub(crate) fn draw(results: &Results, path: &Path) -> Result<(), Box<dyn Error>> {
    let size = (2 * PANEL.0, SHOWN.len() as u32 * PANEL.1);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    let panels = root.split_evenly((SHOWN.len(), 2));
    for (panel, (index, version)) in panels
        .iter()
        .zip((0..SHOWN.len()).flat_map(|index| [(index, 4), (index, 5)]))
    {
        let (short, title) = SHOWN[index];
        let case = CASES.iter().position(|&(_, _, name)| name == short);
        let Some(case) = case else { continue };
        let mut rows = of_case(results, version, case);
        rows.truncate(CRATES);
        let title = format!("{}, {title}", version_name(version));
        panel.draw(&Text::new(title, (10, 10), (FONT, 15).into_font()))?;
        let slowest = rows.last().map_or(1.0, |(_, entry)| entry.best());
        for (row, (name, entry)) in rows.iter().enumerate() {
            let top = TITLE + row as i32 * ROW;
            let middle = top + ROW / 2;
            let room = PANEL.0 as i32 - NAMES - NUMBERS;
            let end = NAMES + (entry.best() / slowest * f64::from(room)) as i32;
            let colour = match *name {
                HAND => BY_HAND,
                OURS => OURS_COLOUR,
                _ => RIVAL,
            };
            panel.draw(&Rectangle::new(
                [(NAMES, top + 3), (end, top + ROW - 3)],
                colour.filled(),
            ))?;
            let style = (FONT, 13).into_font().color(&BLACK);
            let style = style.pos(Pos::new(HPos::Right, VPos::Center));
            panel.draw(&Text::new((*name).to_owned(), (NAMES - 6, middle), style))?;
            let style = (FONT, 13).into_font().color(&BLACK);
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            panel.draw(&Text::new(
                format!("{:.1}", entry.best()),
                (end + 5, middle),
                style,
            ))?;
        }
    }
    root.present()?;
    Ok(())
}

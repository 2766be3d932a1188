//! The results as pictures.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::OURS;
use crate::matcher::{Matcher, Quill, TopicEngine};
use crate::table::number;
use crate::textbook::Trie;

/// One result at one number of subscriptions.
pub(crate) struct Point {
    pub(crate) workload: &'static str,
    pub(crate) size: usize,
    pub(crate) matcher: &'static str,
    /// Each with a topic of its own.
    pub(crate) matches_per_second: f64,
    pub(crate) bytes: f64,
}

const SHOWN: [(&str, RGBColor); 4] = [
    (OURS, RGBColor(0, 114, 178)),
    (Trie::NAME, RGBColor(150, 150, 150)),
    (TopicEngine::NAME, RGBColor(230, 159, 0)),
    (Quill::NAME, RGBColor(204, 121, 167)),
];
const WORKLOADS: [(&str, &str); 2] = [
    ("W1", "exact filters"),
    ("W2", "a third of the filters with wildcards"),
];
const FONT: &str = "sans-serif";
const PANEL: (u32, u32) = (520, 360);
const BAR: i32 = 26;
const TITLE: i32 = 34;
const NAMES: i32 = 150;
const NUMBERS: i32 = 60;

pub(crate) fn draw(points: &[Point], folder: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    throughput(points, &folder.join("throughput.svg"))?;
    bytes(points, &folder.join("bytes.svg"))
}

/// Matches per second by number of subscriptions.
fn throughput(points: &[Point], path: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (2 * PANEL.0, PANEL.1)).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, (workload, what)) in root.split_evenly((1, 2)).iter().zip(WORKLOADS) {
        let of = |matcher| {
            let mut line: Vec<(f64, f64)> = points
                .iter()
                .filter(|point| (point.workload, point.matcher) == (workload, matcher))
                .map(|point| (point.size as f64, point.matches_per_second))
                .collect();
            line.sort_by(|a, b| a.0.total_cmp(&b.0));
            line
        };
        let all: Vec<(f64, f64)> = SHOWN.iter().flat_map(|&(name, _)| of(name)).collect();
        if all.is_empty() {
            continue;
        }
        let range = |values: &mut dyn Iterator<Item = f64>, room: f64| {
            let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            low / room..high * room
        };
        let x = range(&mut all.iter().map(|point| point.0), 1.3);
        let y = range(&mut all.iter().map(|point| point.1), 2.0);
        let mut chart = ChartBuilder::on(panel)
            .caption(
                format!("matches per second by subscriptions: {workload}, {what}"),
                (FONT, 15),
            )
            .margin(12)
            .x_label_area_size(32)
            .y_label_area_size(56)
            .build_cartesian_2d(x.log_scale(), y.log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        for (name, colour) in SHOWN {
            let line = of(name);
            let dots = line
                .iter()
                .map(|&point| Circle::new(point, 3, colour.filled()));
            chart.draw_series(dots)?;
            chart
                .draw_series([PathElement::new(line.clone(), colour.stroke_width(2))])?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .label_font((FONT, 13))
            .background_style(WHITE.mix(0.8))
            .position(SeriesLabelPosition::LowerLeft)
            .draw()?;
    }
    root.present()?;
    Ok(())
}

/// Bytes per subscription at the largest number that all of them were measured at.
fn bytes(points: &[Point], path: &Path) -> Result<(), Box<dyn Error>> {
    let height = TITLE + SHOWN.len() as i32 * BAR + 16;
    let size = (2 * PANEL.0, height.unsigned_abs());
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, (workload, what)) in root.split_evenly((1, 2)).iter().zip(WORKLOADS) {
        let of = |matcher: &str, size: usize| {
            points
                .iter()
                .find(|point| {
                    (point.workload, point.matcher, point.size) == (workload, matcher, size)
                })
                .map(|point| point.bytes)
        };
        let sizes = points.iter().map(|point| point.size);
        let common = sizes
            .filter(|&size| SHOWN.iter().all(|(name, _)| of(name, size).is_some()))
            .max();
        let Some(size) = common else { continue };
        let title = format!(
            "bytes per subscription at {}: {workload}, {what}",
            number(size as f64)
        );
        panel.draw(&Text::new(title, (10, 10), (FONT, 15).into_font()))?;
        let bars = SHOWN.map(|(name, colour)| (name, colour, of(name, size).unwrap_or(0.0)));
        let most = bars.iter().fold(1.0_f64, |most, bar| most.max(bar.2));
        for (at, (name, colour, value)) in bars.into_iter().enumerate() {
            let top = TITLE + at as i32 * BAR;
            let middle = top + BAR / 2;
            let room = f64::from(PANEL.0 as i32 - NAMES - NUMBERS);
            let end = NAMES + (value / most * room) as i32;
            panel.draw(&Rectangle::new(
                [(NAMES, top + 3), (end, top + BAR - 3)],
                colour.filled(),
            ))?;
            let style = |side| {
                let style = (FONT, 13).into_font().color(&BLACK);
                style.pos(Pos::new(side, VPos::Center))
            };
            panel.draw(&Text::new(name, (NAMES - 6, middle), style(HPos::Right)))?;
            panel.draw(&Text::new(
                number(value),
                (end + 5, middle),
                style(HPos::Left),
            ))?;
        }
    }
    root.present()?;
    Ok(())
}

/// `10 k`, `1 M`.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", number(value / 1e6)),
        1e3.. => format!("{} k", number(value / 1e3)),
        _ => number(value),
    }
}

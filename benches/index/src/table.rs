//! What was measured, and how it is printed.

use std::fmt::{self, Display};

use crate::matcher::Matcher;
use crate::textbook::Trie;
use crate::{OURS, OURS_WITH_LISTS};

/// What is asked of ours.
#[derive(Copy, Clone)]
pub(crate) enum Goal {
    None,
    /// At most this part of the textbook's.
    OfTextbook(f64),
    /// At most this, in the unit of the row. If it is a time, other machines differ.
    AtMost(f64),
}

#[derive(Copy, Clone)]
pub(crate) struct Cell {
    pub(crate) value: f64,
    /// The results were not those that they should be.
    pub(crate) wrong: bool,
}

pub(crate) struct Row {
    what: String,
    pub(crate) goal: Goal,
    /// Whether it makes sense to divide by ours.
    pub(crate) with_ratios: bool,
    /// In the order of the section's columns.
    cells: Vec<Option<Cell>>,
}

/// One table.
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    columns: Vec<&'static str>,
}

impl Section {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rows: Vec::new(),
            columns: vec![OURS, OURS_WITH_LISTS, Trie::NAME],
        }
    }

    /// With rows in this order, as far as there is something in them.
    pub(crate) fn with_rows(mut self, rows: &[&str]) -> Self {
        self.rows.extend(rows.iter().map(|what| Row::new(what)));
        self
    }

    /// Puts one value in; the row and the column come into being with their first.
    pub(crate) fn put(&mut self, what: &str, column: &'static str, value: f64) -> &mut Row {
        let wrong = false;
        self.put_cell(what, column, Cell { value, wrong })
    }

    pub(crate) fn put_cell(&mut self, what: &str, column: &'static str, cell: Cell) -> &mut Row {
        let at = match self.columns.iter().position(|&c| c == column) {
            Some(at) => at,
            None => {
                self.columns.push(column);
                self.columns.len() - 1
            }
        };
        let row = match self.rows.iter().position(|row| row.what == what) {
            Some(row) => row,
            None => {
                self.rows.push(Row::new(what));
                self.rows.len() - 1
            }
        };
        let row = &mut self.rows[row];
        if row.cells.len() <= at {
            row.cells.resize(at + 1, None);
        }
        row.cells[at] = Some(cell);
        row
    }

    /// Gives a row that is there a goal.
    pub(crate) fn set_goal(&mut self, what: &str, goal: Goal) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.what == what) {
            row.goal = goal;
        }
    }

    pub(crate) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    pub(crate) fn get(&self, what: &str, column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|&c| c == column)?;
        let row = self.rows.iter().find(|row| row.what == what)?;
        Some(row.cells.get(at).copied()??.value)
    }
}

impl Row {
    fn new(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            goal: Goal::None,
            with_ratios: true,
            cells: Vec::new(),
        }
    }

    fn cell(&self, column: usize) -> Option<Cell> {
        self.cells.get(column).copied().flatten()
    }

    /// Ours by the one in this column.
    fn ratio(&self, column: usize) -> Option<f64> {
        let (ours, other) = (self.cell(0)?.value, self.cell(column)?.value);
        (self.with_ratios && other > 0.0).then_some(ours / other)
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = || self.rows.iter().filter(|row| !row.cells.is_empty());
        let columns: Vec<usize> = (0..self.columns.len())
            .filter(|&column| rows().any(|row| row.cell(column).is_some()))
            .collect();
        let textbook = self.columns.iter().position(|&c| c == Trie::NAME);
        let with_goals = rows().any(|row| !matches!(row.goal, Goal::None));
        let with_ratios = rows().any(|row| textbook.and_then(|at| row.ratio(at)).is_some());

        let mut head = vec![""];
        head.extend(with_goals.then_some("goal"));
        for &column in &columns {
            head.push(self.columns[column]);
            head.extend((column == 0 && with_ratios).then_some("of textbook"));
        }
        let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(String::from).collect()];
        for row in rows() {
            let ratio = textbook.and_then(|at| row.ratio(at));
            let mut line = vec![row.what.clone()];
            line.extend(with_goals.then(|| row.goal.show(row.cell(0), ratio)));
            for &column in &columns {
                line.push(self.show(row, column));
                if column == 0 && with_ratios {
                    line.push(ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")));
                }
            }
            lines.push(line);
        }
        let width = |column: usize| {
            let widths = lines.iter().map(|line| line[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        writeln!(f, "\n{}", self.title)?;
        for line in &lines {
            write!(f, "  {:<1$}", line[0], widths[0])?;
            for (cell, &width) in line.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Goal {
    /// What is asked and whether it is so: `ok`, or `-` for a goal that was missed.
    fn show(self, ours: Option<Cell>, of_textbook: Option<f64>) -> String {
        let (goal, is) = match self {
            Self::None => return String::new(),
            Self::OfTextbook(goal) => (format!("≤ {goal} ×"), of_textbook.map(|is| is <= goal)),
            Self::AtMost(goal) => (
                format!("≤ {}", number(goal)),
                ours.map(|is| is.value <= goal),
            ),
        };
        match is {
            Some(true) => format!("{goal} ok"),
            Some(false) => format!("{goal}  -"),
            None => format!("{goal}   "),
        }
    }
}

impl Section {
    /// A value, and how many times ours it is.
    fn show(&self, row: &Row, column: usize) -> String {
        let Some(cell) = row.cell(column) else {
            return String::new();
        };
        let mark = if cell.wrong { "!" } else { "" };
        let value = number(cell.value);
        let is_ours = [OURS, OURS_WITH_LISTS].contains(&self.columns[column]);
        match row.ratio(column).filter(|_| !is_ours) {
            Some(ratio) if ratio > 0.0 => format!("{mark}{value} ({} ×)", number(1.0 / ratio)),
            _ => format!("{mark}{value}"),
        }
    }
}

/// Three digits, or as many as there are before the point, with commas between thousands.
pub(crate) fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size == size.trunc() || size >= 100.0 => format!("{value:.0}"),
        10.0.. => return format!("{value:.1}"),
        _ => return format!("{value:.2}"),
    };
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

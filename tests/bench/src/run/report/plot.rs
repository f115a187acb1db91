//! The table of ratios as a picture.

use std::path::Path;

use anyhow::Context as _;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::table::{COLUMNS, Row};
use super::{BASE, Results};

const WIDTH: u32 = 900;
/// Of a bar, and of what is between scenarios.
const BAR: u32 = 9;
const GAP: u32 = 9;
/// Where the bars begin and end, and the room above and below them.
const LEFT: i32 = 260;
const RIGHT: i32 = WIDTH as i32 - 60;
const ABOVE: i32 = 56;
const BELOW: i32 = 34;
const COLOURS: [RGBColor; 3] = [
    RGBColor(170, 178, 189),
    RGBColor(77, 150, 120),
    RGBColor(49, 101, 190),
];
const INK: RGBColor = RGBColor(60, 66, 74);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Results {
    /// Draws the CPU time of a request as a multiple of what [`BASE`] takes, for each scenario and system.
    pub(crate) fn plot(&self, picture: &Path) -> anyhow::Result<()> {
        let rows = self.rows();
        let is_drawn = |row: &&Row| row.ratios.iter().any(Option::is_some);
        let rows: Vec<&Row> = rows.iter().filter(is_drawn).collect();
        let height = |row: &&Row| bars(row).count() as u32 * BAR + GAP;
        let height = rows.iter().map(height).sum::<u32>() + (ABOVE + BELOW) as u32;
        let area = SVGBackend::new(picture, (WIDTH, height)).into_drawing_area();
        draw(&area, &rows, height as i32 - BELOW)
            .and_then(|()| area.present().map_err(anyhow::Error::new))
            .with_context(|| format!("cannot draw {}", picture.display()))
    }
}

fn bars(row: &Row) -> impl Iterator<Item = (f64, &'static str, RGBColor)> {
    let bars = row.ratios.iter().zip(COLUMNS).zip(COLOURS);
    bars.filter_map(|((ratio, system), colour)| Some(((*ratio)?, system, colour)))
}

fn draw(area: &Area<'_>, rows: &[&Row], bottom: i32) -> anyhow::Result<()> {
    area.fill(&WHITE)?;
    let most = rows.iter().flat_map(|row| row.ratios).flatten();
    let most = most.fold(1.0, f64::max) * 1.05;
    let across = |ratio: f64| LEFT + (f64::from(RIGHT - LEFT) * ratio / most) as i32;
    legend(area)?;
    // As many lines as there is room for.
    let step = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|step| most / step <= 8.0)
        .unwrap_or(most / 4.0);
    let line = |ratio: f64, strength: f64| {
        let ends = [(across(ratio), ABOVE - 8), (across(ratio), bottom)];
        area.draw(&PathElement::new(ends, INK.mix(strength)))
    };
    let mut tick = 0.0;
    while tick <= most {
        line(tick, 0.15)?;
        let below = (across(tick), bottom + 6);
        write(
            area,
            &format!("{tick}"),
            below,
            (HPos::Center, VPos::Top),
            12,
        )?;
        tick += step;
    }
    line(1.0, 0.9)?;
    let mut y = ABOVE;
    for row in rows {
        let top = y;
        for (ratio, _, colour) in bars(row) {
            let corners = [(LEFT, y), (across(ratio), y + BAR as i32 - 1)];
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            let beside = (across(ratio) + 4, y + BAR as i32 / 2);
            write(
                area,
                &format!("{ratio:.2}"),
                beside,
                (HPos::Left, VPos::Center),
                10,
            )?;
            y += BAR as i32;
        }
        let middle = (LEFT - 8, i32::midpoint(top, y));
        write(area, &row.label, middle, (HPos::Right, VPos::Center), 12)?;
        y += GAP as i32;
    }
    Ok(())
}

/// What is shown, and which colour is who.
fn legend(area: &Area<'_>) -> anyhow::Result<()> {
    let title =
        format!("CPU time of a request, as a multiple of what {BASE} takes (less is better)");
    write(area, &title, (16, 12), (HPos::Left, VPos::Top), 15)?;
    for (index, (system, colour)) in COLUMNS.into_iter().zip(COLOURS).enumerate() {
        let x = LEFT + index as i32 * 110;
        area.draw(&Rectangle::new([(x, 33), (x + 10, 43)], colour.filled()))?;
        write(area, system, (x + 15, 38), (HPos::Left, VPos::Center), 12)?;
    }
    Ok(())
}

fn write(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    (horizontal, vertical): (HPos, VPos),
    size: u32,
) -> anyhow::Result<()> {
    let style = ("sans-serif", size)
        .into_font()
        .color(&INK)
        .pos(Pos::new(horizontal, vertical));
    area.draw(&Text::new(text, at, style))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::load::Report;
    use crate::run::report::{BASE, Results, Sample};
    use crate::run::scenario::Scenario;

    #[test]
    fn each_scenario_is_named_and_each_ratio_is_drawn() {
        let mut results = Results::default();
        let case = Scenario::Small.cases()[0];
        for (system, cpu_ms) in [(BASE, 10), ("nginx", 7), ("gateway", 15)] {
            let load = Report {
                good: 1000,
                ..Report::default()
            };
            let cpu = Some(Duration::from_millis(cpu_ms));
            results.add(Sample::new(case, system, 0, &load, cpu, None));
        }
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("run.svg");
        results.plot(&picture).unwrap();
        let svg = std::fs::read_to_string(picture).unwrap();
        for expected in ["<svg", "small", "0.70", "1.50", "nginx", "gateway"] {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
    }
}

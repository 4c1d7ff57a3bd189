//! What all figures share: colours, axes, legends.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::ops::Range;
use std::path::Path;

pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

// Okabe and Ito's colours: told apart by colour-blind readers too.
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub const INK: RGBColor = RGBColor(51, 51, 51);
pub const GREY: RGBColor = RGBColor(120, 120, 120);

pub const CLASSES: [(&str, RGBColor); 3] = [("yin", BLUE), ("yang", ORANGE), ("dot", GREEN)];

// Plotters rounds to whole units: large canvases keep the lines smooth.
pub const TEXT: i32 = 28;
pub const TITLE: i32 = 36;

/// One axis: its name, its range, and where it has labels.
pub struct Scale {
    pub name: &'static str,
    pub range: Range<f64>,
    pub ticks: Vec<(f64, String)>,
}

impl Scale {
    /// 0 to 1 without labels.
    pub fn bare() -> Self {
        Self { name: "", range: 0.0..1.0, ticks: vec![] }
    }

    /// About `count` round steps.
    pub fn linear(name: &'static str, range: Range<f64>, count: f64) -> Self {
        let raw = (range.end - range.start) / count;
        let power = 10f64.powf(raw.log10().floor());
        let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= raw);
        let step = power * factor.unwrap_or(10.0);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let (first, last) = (range.start / step, range.end / step);
        let ticks = ((first - 1e-9).ceil() as i64..=(last + 1e-9).floor() as i64)
            .map(|k| (k as f64 * step, format!("{:.digits$}", k as f64 * step)))
            .collect();
        Self { name, range, ticks }
    }

    /// For values given as log10. Labels get sparser as the range gets wider.
    pub fn log10(name: &'static str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let pad = (0.05 * (high - low)).max(0.2 - 0.5 * (high - low));
        let range = low - pad..high + pad;
        let factors: &[f64] = match high - low {
            wide if wide > 2.5 => &[1.0],
            wide if wide > 0.6 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        let ticks = (range.start.floor() as i32..=range.end.floor() as i32)
            .flat_map(|k| factors.iter().map(move |f| (f, k)))
            .map(|(f, k)| {
                let digits = (-k).max(0) as usize;
                let value = f * 10f64.powi(k);
                (value.log10(), format!("{value:.digits$}"))
            })
            .filter(|(v, _)| range.contains(v))
            .collect();
        Self { name, range, ticks }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format(value: &f64) -> String {
        value.to_string()
    }

    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(at, _)| at == value);
        tick.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// A share of white in a colour, opaque so that shapes may overlap.
pub fn pale(RGBColor(r, g, b): RGBColor, white: f64) -> RGBColor {
    let mix = |c: u8| (255.0 * white + f64::from(c) * (1.0 - white)).round() as u8;
    RGBColor(mix(r), mix(g), mix(b))
}

pub fn colour(class: usize) -> RGBColor {
    CLASSES.get(class).map_or(GREY, |(_, colour)| *colour)
}

pub fn canvas(path: &Path, width: u32, height: u32) -> Result<Area<'_>> {
    let root = SVGBackend::new(path, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    Ok(root)
}

fn font(size: i32, ink: RGBColor, side: HPos) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", size).into_font());
    style.color = ink.to_backend_color();
    style.pos(Pos::new(side, VPos::Center))
}

/// A heading.
pub fn title(area: &Area, text: &str, at: (i32, i32)) -> Result {
    Ok(area.draw(&Text::new(text, at, font(TITLE, INK, HPos::Left)))?)
}

/// Small print. `side` is the side of `at` where the text starts or ends.
pub fn note(area: &Area, text: &str, at: (i32, i32), side: HPos, ink: RGBColor) -> Result {
    Ok(area.draw(&Text::new(text, at, font(TEXT - 4, ink, side)))?)
}

/// Text read from below, centred.
pub fn upright(area: &Area, text: &str, at: (i32, i32), ink: RGBColor) -> Result {
    let style = font(TEXT, ink, HPos::Center).transform(FontTransform::Rotate270);
    Ok(area.draw(&Text::new(text, at, style))?)
}

/// Axes without a box, with horizontal lines only where `grid` asks for them.
pub fn axes<'a>(
    area: &Area<'a>,
    margin: [i32; 4],
    x: Scale,
    y: Scale,
    grid: bool,
) -> Result<Chart<'a>> {
    let [top, right, bottom, left] = margin;
    let (across, up) = (x.name, y.name);
    let mut chart = ChartBuilder::on(area)
        .margin_top(top)
        .margin_right(right)
        .margin_bottom(15)
        .margin_left(15)
        .x_label_area_size(bottom)
        .y_label_area_size(left)
        .build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(pale(GREY, 0.75))
        .axis_style(GREY)
        .label_style(("sans-serif", TEXT - 4).into_font().color(&INK))
        .axis_desc_style(("sans-serif", TEXT).into_font().color(&INK))
        .x_desc(across)
        .y_desc(up);
    if !grid {
        mesh.disable_mesh();
    }
    mesh.draw()?;
    Ok(chart)
}

pub enum Mark {
    Dot,
    Ring,
    Bar,
    Line(u32),
}

/// A row of marks with their meaning. Plotters' own legend is a box over the data.
pub fn legend(area: &Area, mut at: (i32, i32), entries: &[(Mark, RGBColor, &str)]) -> Result {
    for (mark, ink, text) in entries {
        let (x, y) = at;
        match mark {
            Mark::Dot => area.draw(&Circle::new((x + 18, y), 8, ink.filled()))?,
            Mark::Ring => area.draw(&Circle::new((x + 18, y), 10, ink.stroke_width(3)))?,
            Mark::Bar => {
                area.draw(&Rectangle::new([(x, y - 10), (x + 30, y + 10)], ink.filled()))?
            }
            Mark::Line(width) => {
                let line = vec![(x - 10, y), (x + 30, y)];
                area.draw(&PathElement::new(line, ink.stroke_width(*width)))?
            }
        }
        area.draw(&Text::new(*text, (x + 40, y), font(TEXT, INK, HPos::Left)))?;
        // No font is at hand to measure with: an average width has to do.
        at.0 += 90 + text.chars().count() as i32 * TEXT * 42 / 100;
    }
    Ok(())
}

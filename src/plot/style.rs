//! What all pictures share: colours, fonts, canvas, axes, legends.

use super::scale::Scale;
use super::{Picture, PlotError};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Frame<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

// Okabe and Ito's colours: told apart by colour-blind readers too.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const VERMILLION: RGBColor = RGBColor(213, 94, 0);
pub(super) const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub(super) const SKY: RGBColor = RGBColor(86, 180, 233);
pub(super) const INK: RGBColor = RGBColor(51, 51, 51);
pub(super) const GREY: RGBColor = RGBColor(120, 120, 120);

/// The colour of a class.
pub(super) fn class_colour(class: usize) -> RGBColor {
    const PALETTE: [RGBColor; 6] = [BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY];
    PALETTE[class % PALETTE.len()]
}

/// The colour of a series: neighbours differ in brightness too.
pub(super) fn series_colour(series: usize) -> RGBColor {
    const PALETTE: [RGBColor; 6] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY];
    PALETTE[series % PALETTE.len()]
}

// Plotters rounds to whole units: large canvases keep the lines smooth.
pub(super) const TEXT: i32 = 28;
pub(super) const SMALL: i32 = 24;
pub(super) const TITLE: i32 = 36;

/// About how wide a text is. No font is at hand to measure with: an average width has to do.
pub(super) fn width(text: &str, size: i32) -> i32 {
    (text.chars().count() as i32).saturating_mul(size) * 45 / 100
}

/// A share of white in a colour, opaque so that shapes may overlap.
pub(super) fn pale(RGBColor(r, g, b): RGBColor, white: f64) -> RGBColor {
    let mix = |c: u8| (255.0 * white + f64::from(c) * (1.0 - white)).round() as u8;
    RGBColor(mix(r), mix(g), mix(b))
}

/// A white sheet of this size with what `draw` puts on it.
pub(super) fn picture(
    (width, height): (i32, i32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), PlotError>,
) -> Result<Picture, PlotError> {
    let mut svg = String::new();
    let size = (width.max(1) as u32, height.max(1) as u32);
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    draw(&root)?;
    root.present()?;
    drop(root);
    Ok(Picture { svg })
}

fn font(size: i32, ink: RGBColor, side: HPos) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", size).into_font());
    style.color = ink.to_backend_color();
    style.pos(Pos::new(side, VPos::Center))
}

/// XML has no place for control characters.
fn clean(text: &str) -> String {
    let printable = |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(printable).collect()
}

/// Text. `side` is the side of `at` where it starts or ends.
pub(super) fn write(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    side: HPos,
    ink: RGBColor,
) -> Result<(), PlotError> {
    Ok(area.draw(&Text::new(clean(text), at, font(size, ink, side)))?)
}

/// A heading.
pub(super) fn title(area: &Area<'_>, text: &str, at: (i32, i32)) -> Result<(), PlotError> {
    write(area, text, at, TITLE, HPos::Left, INK)
}

/// Small print.
pub(super) fn note(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    side: HPos,
    ink: RGBColor,
) -> Result<(), PlotError> {
    write(area, text, at, SMALL, side, ink)
}

/// Text read from below.
pub(super) fn upright(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    side: HPos,
    ink: RGBColor,
) -> Result<(), PlotError> {
    let style = font(size, ink, side).transform(FontTransform::Rotate270);
    Ok(area.draw(&Text::new(clean(text), at, style))?)
}

/// Axes without a box, with horizontal lines only where `grid` asks for them. `margin`: space above, to the
/// right, below and to the left, the latter two for labels.
pub(super) fn axes<'a>(
    area: &Area<'a>,
    margin: [i32; 4],
    mut x: Scale,
    mut y: Scale,
    grid: bool,
) -> Result<Frame<'a>, PlotError> {
    let [top, right, bottom, left] = margin;
    for scale in [&mut x, &mut y] {
        scale.name = clean(&scale.name);
        scale.ticks.iter_mut().for_each(|(_, label)| *label = clean(label));
    }
    let (across, up) = (x.name.clone(), y.name.clone());
    let mut frame = ChartBuilder::on(area)
        .margin_top(top)
        .margin_right(right)
        .margin_bottom(15)
        .margin_left(15)
        .x_label_area_size(bottom)
        .y_label_area_size(left)
        .build_cartesian_2d(x, y)?;
    let mut mesh = frame.configure_mesh();
    mesh.disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(pale(GREY, 0.75))
        .axis_style(GREY)
        .label_style(("sans-serif", SMALL).into_font().color(&INK))
        .axis_desc_style(("sans-serif", TEXT).into_font().color(&INK))
        .x_desc(across)
        .y_desc(up);
    if !grid {
        mesh.disable_mesh();
    }
    mesh.draw()?;
    Ok(frame)
}

/// What an entry of a legend shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mark {
    Dot,
    Ring,
    Bar,
    Line(u32),
    /// A line with a dot on it.
    DottedLine,
}

/// A row of marks with their meaning, and more rows where the width asks for it. Plotters' own legend is a box
/// over the data.
pub(super) struct Legend {
    entries: Vec<(Mark, RGBColor, String, (i32, i32))>,
    /// How high it is.
    pub height: i32,
}

impl Legend {
    /// In this width.
    pub fn new<T: Into<String>>(
        entries: impl IntoIterator<Item = (Mark, RGBColor, T)>,
        room: i32,
    ) -> Self {
        const ROW: i32 = 46;
        let (mut x, mut y) = (0, ROW / 2);
        let mut placed = Vec::new();
        for (mark, ink, text) in entries {
            let text = text.into();
            let long = 90 + width(&text, TEXT);
            if x > 0 && x + long - 30 > room {
                (x, y) = (0, y + ROW);
            }
            placed.push((mark, ink, text, (x, y)));
            x += long;
        }
        let height = if placed.is_empty() { 0 } else { y + ROW / 2 };
        Self { entries: placed, height }
    }

    /// With its upper left corner there.
    pub fn draw(&self, area: &Area<'_>, (left, top): (i32, i32)) -> Result<(), PlotError> {
        for (mark, ink, text, (x, y)) in &self.entries {
            let (x, y) = (left + x, top + y);
            let line = |width| PathElement::new(vec![(x, y), (x + 40, y)], ink.stroke_width(width));
            match mark {
                Mark::Dot => area.draw(&Circle::new((x + 20, y), 8, ink.filled()))?,
                Mark::Ring => area.draw(&Circle::new((x + 20, y), 10, ink.stroke_width(3)))?,
                Mark::Bar => {
                    area.draw(&Rectangle::new([(x + 5, y - 10), (x + 35, y + 10)], ink.filled()))?
                }
                Mark::Line(width) => area.draw(&line(*width))?,
                Mark::DottedLine => {
                    area.draw(&line(4))?;
                    area.draw(&Circle::new((x + 20, y), 8, ink.filled()))?;
                }
            }
            write(area, text, (x + 50, y), TEXT, HPos::Left, INK)?;
        }
        Ok(())
    }
}

//! What a network answers all over the Yin-Yang disc.

use super::scale::Scale;
use super::style::{Legend, Mark, axes, class_colour, pale, picture, title};
use super::{Picture, PlotError};
use crate::data::{YinYang, YinYangPoint};
use plotters::prelude::*;
use std::f64::consts::{PI, TAU};

const CLASSES: [&str; 3] = ["yin", "yang", "dot"];

/// What a network answers all over the disc of [`YinYang`], and how it does on points of the data set.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct DecisionMap {
    side: usize,
    classes: Vec<Option<usize>>,
    points: Vec<(YinYangPoint, bool)>,
}

fn arc(centre: f64, radius: f64, from: f64, to: f64) -> Vec<(f64, f64)> {
    let angles = (0..=120).map(|k| from + (to - from) * f64::from(k) / 120.0);
    angles.map(|angle| (centre + radius * angle.cos(), 0.5 + radius * angle.sin())).collect()
}

impl DecisionMap {
    /// The points of a grid of `side` x `side` over the unit square, row by row from below: what the network has to
    /// answer. Those outside of the disc are hidden later.
    pub fn grid(side: usize) -> impl Iterator<Item = YinYangPoint> {
        let at = move |k: usize| (k as f64 + 0.5) / side as f64;
        let point = move |x, y| YinYangPoint { x: at(x), y: at(y), class: 0 };
        (0..side).flat_map(move |y| (0..side).map(move |x| point(x, y)))
    }

    /// From the answer to each point of [`DecisionMap::grid`], `None` where there is none.
    ///
    /// # Errors
    /// If there are not `side` x `side` answers, none at all, or one that is no class.
    pub fn new(side: usize, answers: &[Option<usize>]) -> Result<Self, PlotError> {
        if answers.is_empty() {
            return Err(PlotError::Empty { picture: "a decision map", what: "answer" });
        }
        let expected = side.saturating_mul(side);
        if answers.len() != expected {
            let what = "answers of the decision map".into();
            return Err(PlotError::Count { what, found: answers.len(), expected });
        }
        check("answer", answers.iter().copied())?;
        Ok(Self { side, classes: answers.to_vec(), points: Vec::new() })
    }

    /// Adds points of a data set and the answer to each.
    ///
    /// # Errors
    /// If there are not as many answers as points, or a class that does not exist.
    pub fn points(
        mut self,
        points: &[YinYangPoint],
        answers: &[Option<usize>],
    ) -> Result<Self, PlotError> {
        if points.len() != answers.len() {
            let what = "answers to points".into();
            return Err(PlotError::Count { what, found: answers.len(), expected: points.len() });
        }
        check("point", points.iter().map(|p| Some(p.class)))?;
        let right = points.iter().zip(answers).map(|(p, answer)| (*p, *answer == Some(p.class)));
        self.points.extend(right);
        Ok(self)
    }

    /// Draws it.
    ///
    /// # Errors
    /// None but those of the drawing library.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        let dots = [0, 1, 2].map(|k| (Mark::Dot, class_colour(k), CLASSES[k]));
        let ring = (Mark::Ring, BLACK, "misclassified");
        let line = (Mark::Line(2), BLACK, "true border");
        let ring = [ring].into_iter().filter(|_| !self.points.is_empty());
        let legend = Legend::new(dots.into_iter().chain(ring).chain([line]), 1000);
        picture((1200, 1220), |root| {
            let right = self.points.iter().filter(|p| p.1).count();
            let head = match self.points.len() {
                0 => "Decisions".into(),
                n => format!("Accuracy {:.1} % of {n} points", 100.0 * right as f64 / n as f64),
            };
            title(root, &head, (105, 45))?;
            legend.draw(root, (95, 80))?;
            self.content(root)
        })
    }

    fn content(&self, root: &super::style::Area<'_>) -> Result<(), PlotError> {
        let (low, high, cell) = (-0.01, 1.01, 1.0 / self.side as f64);
        let scale = |name| Scale::linear(name, low..high, 5.0);
        let mut frame = axes(root, [140, 120, 80, 90], scale("x"), scale("y"), false)?;
        for (row, line) in self.classes.chunks(self.side).enumerate() {
            let mut column = 0;
            for run in line.chunk_by(|a, b| a == b) {
                // Each run reaches under the next one and the next row: no hairlines between them.
                let start = (column as f64 * cell, row as f64 * cell);
                column += run.len();
                let end = [column, row + 1].map(|n| ((n as f64 + 0.4) * cell).min(1.0));
                let fill = run[0].map_or(WHITE, |class| pale(class_colour(class), 0.72)).filled();
                frame.draw_series([Rectangle::new([start, (end[0], end[1])], fill)])?;
            }
        }
        // A white sheet with a round hole gives the disc a smooth rim.
        let corners = [(high, high), (low, high), (low, low), (high, low)];
        let mut sheet = vec![(high, 0.5)];
        sheet.extend(corners.into_iter().chain([(high, 0.5)]));
        sheet.extend(arc(0.5, 0.5, TAU, 0.0));
        frame.draw_series([Polygon::new(sheet, WHITE.filled())])?;
        // The data set has published radii: 0.5, 0.25 and 0.1.
        let curve = [arc(0.25, 0.25, PI, TAU), arc(0.75, 0.25, PI, 0.0)].concat();
        let circles = [(0.5, 0.5), (0.25, 0.1), (0.75, 0.1)];
        let circles = circles.map(|(centre, radius)| arc(centre, radius, 0.0, TAU + 0.02));
        let borders = circles.into_iter().chain([curve]);
        frame.draw_series(borders.map(|line| PathElement::new(line, BLACK.stroke_width(2))))?;
        // The mistakes last, where nothing hides them.
        let (right, wrong): (Vec<_>, Vec<_>) = self.points.iter().partition(|p| p.1);
        frame.draw_series(right.iter().chain(&wrong).flat_map(|(p, _)| {
            let rim = Circle::new((p.x, p.y), 6, WHITE.filled());
            [rim, Circle::new((p.x, p.y), 5, class_colour(p.class).filled())]
        }))?;
        let ring =
            |(p, _): &(YinYangPoint, bool)| Circle::new((p.x, p.y), 9, BLACK.stroke_width(3));
        frame.draw_series(wrong.iter().map(ring))?;
        Ok(())
    }
}

fn check(
    what: &'static str,
    classes: impl Iterator<Item = Option<usize>>,
) -> Result<(), PlotError> {
    let mut numbered = classes.enumerate();
    let bad = numbered.find_map(|(k, class)| Some((k, class.filter(|c| *c >= YinYang::CLASSES)?)));
    let error = |(index, class)| PlotError::Class { what, index, class, classes: YinYang::CLASSES };
    bad.map_or(Ok(()), |bad| Err(error(bad)))
}

//! Where boxes and lines go: in layers from left to right, in an order with few crossings, each
//! box near what it is joined to.
//!
//! The steps are those of Sugiyama: edges that would go back are turned round, every node gets the
//! layer after the last one that leads to it, long edges get a place in each layer that they pass,
//! and layers are sorted by the middle of their neighbours.

/// Width of a box.
pub(super) const WIDTH: f64 = 216.0;
const GAP_X: f64 = 60.0;
const GAP_Y: f64 = 16.0;
const MARGIN: f64 = 12.0;
/// Room for a line that passes a layer.
const PASSING: f64 = 6.0;
/// How often layers are sorted and moved, forth and back.
const SWEEPS: usize = 6;

/// A layout in the units of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The upper left corner of each node's box.
    pub(super) places: Vec<(f64, f64)>,
    /// For each edge the points that it passes, from the box that it starts from.
    pub(super) paths: Vec<Vec<(f64, f64)>>,
}

/// What has a place in a layer: a node, or an edge that passes by.
#[derive(Debug, Clone, Default)]
struct Item {
    layer: usize,
    height: f64,
    /// The vertical middle.
    middle: f64,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// Lays out nodes of these heights. Edges of a node with itself, or with one that does not exist,
/// have no points.
pub(super) fn lay_out(heights: &[f64], edges: &[(usize, usize)]) -> Layout {
    let forward = without_cycles(heights.len(), edges);
    let layers = layers(heights.len(), &forward);
    let nodes = heights.iter().zip(&layers);
    let mut items: Vec<Item> = nodes
        .map(|(height, layer)| Item {
            layer: *layer,
            height: *height,
            ..Item::default()
        })
        .collect();
    let chains: Vec<Vec<usize>> = forward
        .iter()
        .map(|edge| edge.map_or_else(Vec::new, |(from, to)| chain(&mut items, from, to)))
        .collect();
    let mut columns = vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
    for (place, item) in items.iter().enumerate() {
        columns[item.layer].push(place);
    }
    sort(&mut columns, &items);
    place(&columns, &mut items);

    let left = |layer: usize| MARGIN + layer as f64 * (WIDTH + GAP_X);
    let tops = items.iter().map(|item| item.middle - item.height / 2.0);
    let top = tops.fold(f64::INFINITY, f64::min);
    let shift = if top.is_finite() { MARGIN - top } else { 0.0 };
    for item in &mut items {
        item.middle += shift;
    }
    let path = |chain: &[usize]| {
        let mut points = Vec::new();
        for (number, place) in chain.iter().enumerate() {
            let item = &items[*place];
            let x = left(item.layer);
            if number > 0 {
                points.push((x, item.middle));
            }
            if number + 1 < chain.len() {
                points.push((x + WIDTH, item.middle));
            }
        }
        points
    };
    let paths = chains.iter().zip(edges).zip(&forward);
    let bottoms = items.iter().map(|item| item.middle + item.height / 2.0);
    Layout {
        width: left(columns.len().saturating_sub(1)) + WIDTH + MARGIN,
        height: bottoms.fold(0.0, f64::max) + MARGIN,
        paths: paths
            .map(|((chain, edge), forward)| {
                let mut points = path(chain);
                if *forward != Some(*edge) {
                    points.reverse();
                }
                points
            })
            .collect(),
        places: items
            .iter()
            .take(heights.len())
            .map(|item| (left(item.layer), item.middle - item.height / 2.0))
            .collect(),
    }
}

/// The edges, with those turned round that lead back to where a walk came from. `None` for an edge
/// of a node with itself, or of none.
fn without_cycles(nodes: usize, edges: &[(usize, usize)]) -> Vec<Option<(usize, usize)>> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut after = vec![Vec::new(); nodes];
    for (number, (from, to)) in edges.iter().enumerate() {
        if *from < nodes && *to < nodes && from != to {
            after[*from].push((number, *to));
        }
    }
    let mut forward = vec![None; edges.len()];
    let mut states = vec![State::New; nodes];
    for start in 0..nodes {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        // Nodes on the way, with how many of their edges were walked.
        let mut way = vec![(start, 0_usize)];
        while let Some((node, walked)) = way.last_mut() {
            let (node, next) = (*node, after[*node].get(*walked).copied());
            *walked += 1;
            let Some((number, to)) = next else {
                states[node] = State::Done;
                way.pop();
                continue;
            };
            let back = states[to] == State::Open;
            forward[number] = Some(if back { (to, node) } else { (node, to) });
            if states[to] == State::New {
                states[to] = State::Open;
                way.push((to, 0));
            }
        }
    }
    forward
}

/// A layer for each node, after those of all that lead to it. What nothing leads to stands just
/// before what it leads to.
fn layers(nodes: usize, edges: &[Option<(usize, usize)>]) -> Vec<usize> {
    let mut after = vec![Vec::new(); nodes];
    let mut waiting = vec![0_usize; nodes];
    for &(from, to) in edges.iter().flatten() {
        after[from].push(to);
        waiting[to] += 1;
    }
    let first: Vec<usize> = (0..nodes).filter(|node| waiting[*node] == 0).collect();
    let mut layers = vec![0_usize; nodes];
    let mut ready = first.clone();
    while let Some(node) = ready.pop() {
        for &next in &after[node] {
            layers[next] = layers[next].max(layers[node] + 1);
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(next);
            }
        }
    }
    for node in first {
        let next = after[node].iter().map(|next| layers[*next]).min();
        layers[node] = next.map_or(layers[node], |next| next.saturating_sub(1));
    }
    layers
}

/// The items that an edge passes, its ends included; those between are made here.
fn chain(items: &mut Vec<Item>, from: usize, to: usize) -> Vec<usize> {
    let mut chain = vec![from];
    let mut last = from;
    for layer in items[from].layer + 1..=items[to].layer {
        let next = if layer == items[to].layer {
            to
        } else {
            items.push(Item {
                layer,
                height: PASSING,
                ..Item::default()
            });
            items.len() - 1
        };
        items[last].after.push(next);
        items[next].before.push(last);
        chain.push(next);
        last = next;
    }
    chain
}

/// The layers of a sweep, in their order.
fn layers_of_sweep(sweep: usize, layers: usize) -> impl Iterator<Item = usize> {
    (0..layers).map(move |step| match sweep % 2 {
        0 => step,
        _ => layers - 1 - step,
    })
}

/// Sorts each layer by the mean place of its neighbours in the layer before, then in that after.
fn sort(columns: &mut [Vec<usize>], items: &[Item]) {
    let mut places = vec![0.0; items.len()];
    let number = |column: &[usize], places: &mut [f64]| {
        for (place, item) in column.iter().enumerate() {
            places[*item] = place as f64;
        }
    };
    for column in columns.iter() {
        number(column, &mut places);
    }
    for sweep in 0..SWEEPS {
        for layer in layers_of_sweep(sweep, columns.len()) {
            let wish = |item: &usize| {
                let neighbours = neighbours(&items[*item], sweep);
                mean(neighbours.iter().map(|other| places[*other])).unwrap_or(places[*item])
            };
            let column = columns[layer].iter().map(|item| (wish(item), *item));
            let mut column: Vec<(f64, usize)> = column.collect();
            column.sort_by(|one, other| one.0.total_cmp(&other.0));
            columns[layer] = column.into_iter().map(|(_, item)| item).collect();
            number(&columns[layer], &mut places);
        }
    }
}

/// Gives each item a height in the picture: near its neighbours, in the order of its layer.
fn place(columns: &[Vec<usize>], items: &mut [Item]) {
    for column in columns {
        let height: f64 = column.iter().map(|item| items[*item].height + GAP_Y).sum();
        let mut y = -height / 2.0;
        for item in column {
            items[*item].middle = y + items[*item].height / 2.0;
            y += items[*item].height + GAP_Y;
        }
    }
    for sweep in 0..SWEEPS {
        for layer in layers_of_sweep(sweep, columns.len()) {
            let wish = |item: &usize| {
                let neighbours = neighbours(&items[*item], sweep);
                let middles = neighbours.iter().map(|other| items[*other].middle);
                mean(middles).unwrap_or(items[*item].middle)
            };
            let column = &columns[layer];
            let wishes: Vec<f64> = column.iter().map(wish).collect();
            let heights: Vec<f64> = column.iter().map(|item| items[*item].height).collect();
            // Pushed down and pushed up keep the distances, and so does what is between them.
            let down = pushed(&wishes, &heights, false);
            let up = pushed(&wishes, &heights, true);
            for ((item, down), up) in column.iter().zip(down).zip(up) {
                items[*item].middle = f64::midpoint(down, up);
            }
        }
    }
}

/// Middles that are at their wishes or, where there is no room, below (or above) them.
fn pushed(wishes: &[f64], heights: &[f64], up: bool) -> Vec<f64> {
    let sign = if up { -1.0 } else { 1.0 };
    let mut pushed = vec![0.0; wishes.len()];
    let mut edge = f64::NEG_INFINITY;
    for step in 0..wishes.len() {
        let place = if up { wishes.len() - 1 - step } else { step };
        let half = heights[place] / 2.0;
        let middle = (sign * wishes[place]).max(edge + half);
        edge = middle + half + GAP_Y;
        pushed[place] = sign * middle;
    }
    pushed
}

/// The neighbours that a sweep comes from.
fn neighbours(item: &Item, sweep: usize) -> &[usize] {
    match sweep % 2 {
        0 => &item.before,
        _ => &item.after,
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

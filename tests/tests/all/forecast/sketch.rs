//! A project drawn at random: one dataset that is fetched, what hangs from it in its own file, and
//! what hangs from that in a second one.

/// Random numbers from a seed (splitmix64).
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Whether it happens, once in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A dataset that is derived.
#[derive(Debug, Clone)]
pub(crate) struct Derived {
    pub(crate) name: String,
    from: String,
    step: &'static str,
    method: &'static str,
    ready: &'static str,
    chunk: usize,
    /// Whether it stands in the second file.
    second: bool,
}

/// A project.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    pub(crate) derived: Vec<Derived>,
    /// Whether the second file copies the daily dataset too.
    pub(crate) copies: bool,
    /// Steps of a chunk of the daily dataset along time.
    pub(crate) unit: usize,
    space: [usize; 2],
    batch: usize,
    /// Whether the block says the grid, so that a plan knows it before the first slice.
    pub(crate) grid: bool,
}

/// What periods become which: of each step those that hold it whole.
const COARSER: [(&str, &[&str]); 4] = [
    ("P1D", &["pentad", "dekad", "P1M"]),
    ("pentad", &["dekad", "P1M"]),
    ("dekad", &["P1M"]),
    ("P1M", &["P3M"]),
];

impl Sketch {
    pub(crate) fn draw(luck: &mut Luck) -> Self {
        let mut derived: Vec<Derived> = Vec::new();
        for n in 0..1 + luck.below(4) {
            let from = luck.below(derived.len() + 1);
            let (name, step, method, second) = match from.checked_sub(1).map(|at| &derived[at]) {
                None => ("daily", "P1D", "sum", false),
                Some(one) => (one.name.as_str(), one.step, one.method, one.second),
            };
            let coarser = COARSER.iter().find(|(of, _)| *of == step).map_or(&[][..], |(_, to)| to);
            if coarser.is_empty() {
                continue;
            }
            let one = Derived {
                name: format!("derived{n}"),
                from: name.to_owned(),
                step: luck.pick(coarser),
                // Sums of maxima are refused.
                method: if method == "sum" { luck.pick(&["sum", "sum", "max"]) } else { "max" },
                ready: luck.pick(&["complete", "complete", "any", "{ at-least: 0.5 }"]),
                chunk: 1 + luck.below(4),
                second: second || luck.once_in(3),
            };
            derived.push(one);
        }
        Self {
            derived,
            copies: luck.once_in(3),
            unit: 1 + luck.below(6),
            space: [luck.pick(&[16, 32]), luck.pick(&[16, 32])],
            batch: 1 + luck.below(20),
            grid: luck.once_in(2),
        }
    }

    /// Another definition of one of the derived datasets; whether there is one that may change.
    pub(crate) fn redefine(&mut self, luck: &mut Luck) -> bool {
        let may = |one: &Derived, all: &[Derived]| {
            // A window of one period has the same sum and maximum, and sums may hang from it.
            one.ready != "any"
                && !all.iter().any(|other| other.from == one.name)
                && (one.method == "sum" || one.from == "daily")
        };
        let able: Vec<usize> =
            (0..self.derived.len()).filter(|at| may(&self.derived[*at], &self.derived)).collect();
        if able.is_empty() {
            return false;
        }
        let one = &mut self.derived[luck.pick(&able)];
        one.method = if one.method == "sum" { "max" } else { "sum" };
        true
    }

    pub(crate) fn first(&self) -> String {
        let [y, x] = self.space;
        let unit = self.unit;
        let grid =
            if self.grid { "grid: { origin: [10, 20], cell: [0.5, -0.5], shape: [32, 32] }," } else { "" };
        let mut text = format!(
            "frazil: 1
id: first
params: {{ start: {{ type: period, default: \"2024-01-01\" }} }}
datasets:
  daily:
    {{ title: Daily, time: {{ step: P1D }}, crs: \"EPSG:4326\", {grid} chunks: {{ time: {unit}, y: {y}, x: {x} }},
      variables: {{ v: {{ units: mm, cell: total, dtype: float32 }} }} }}
"
        );
        self.blocks(&mut text, false);
        let batch = self.batch;
        text.push_str(&format!("steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: daily, start: \"{{{{ params.start }}}}\", batch: {batch} }} }}
  slices:
    {{ uses: fetch, needs: missing, with: {{ source: cog, url: \"input/{{{{ period | date('%Y%m%d') }}}}.tif\", variables: {{ v: {{ band: 1 }} }} }} }}
  daily: {{ uses: append-commit, needs: slices, with: {{ dataset: daily }} }}
"));
        self.steps(&mut text, false);
        text
    }

    /// The second file, if there is anything in it.
    pub(crate) fn second(&self) -> Option<String> {
        if !self.copies && !self.derived.iter().any(|one| one.second) {
            return None;
        }
        let mut opened: Vec<&str> = self
            .derived
            .iter()
            .filter(|one| {
                one.second && !self.derived.iter().any(|other| other.second && other.name == one.from)
            })
            .map(|one| one.from.as_str())
            .chain(self.copies.then_some("daily"))
            .collect();
        opened.sort_unstable();
        opened.dedup();
        let mut text = "frazil: 1\nid: second\ndatasets:\n".to_owned();
        if self.copies {
            text.push_str(
                "  copy: { title: A copy, time: { step: P1D }, chunks: { time: 3 }, variables: { v: { units: mm, cell: total, dtype: float32 } } }\n",
            );
        }
        self.blocks(&mut text, true);
        let triggers: Vec<String> = opened.iter().map(|name| format!("{{ dataset: {name} }}")).collect();
        text.push_str(&format!("triggers: [{}]\nsteps:\n", triggers.join(", ")));
        for name in opened {
            text.push_str(&format!("  {name}: {{ uses: open-dataset, with: {{ dataset: {name} }} }}\n"));
        }
        if self.copies {
            text.push_str(
                "  listed: { uses: enumerate-periods, needs: daily, with: { dataset: copy, batch: 7 } }
  read: { uses: fetch, needs: listed, with: { source: dataset, dataset: daily } }
  copy: { uses: append-commit, needs: read, with: { dataset: copy } }
",
            );
        }
        self.steps(&mut text, true);
        Some(text)
    }

    fn blocks(&self, text: &mut String, second: bool) {
        for Derived { name, step, chunk, .. } in self.derived.iter().filter(|one| one.second == second) {
            text.push_str(&format!(
                "  {name}: {{ title: {name}, time: {{ step: {step} }}, chunks: {{ time: {chunk} }} }}\n"
            ));
        }
    }

    fn steps(&self, text: &mut String, second: bool) {
        for Derived { name, from, method, ready, .. } in
            self.derived.iter().filter(|one| one.second == second)
        {
            text.push_str(&format!("  {name}: {{ uses: derived-resample, needs: {from}, with: {{ dataset: {name}, method: {method}, ready: {ready} }} }}\n"));
        }
    }
}

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
    /// A second dataset that it is made from: then it has a variable of each, and nothing hangs from it.
    pub(crate) also: Option<String>,
    step: &'static str,
    method: &'static str,
    ready: &'static str,
    chunk: usize,
    /// Whether it stands in the second file.
    second: bool,
}

/// How the daily dataset is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file a day.
    Files,
    /// A file a day and member.
    Members,
    /// A program.
    Program,
}

/// A project.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    pub(crate) source: Source,
    /// The version of the daily dataset.
    pub(crate) version: u32,
    /// Whether the source gives cells twice as large.
    pub(crate) coarse: bool,
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

/// Copies the days that it is asked for, as far as the source has them.
pub(crate) const PROGRAM: &str = r#"task=$(cat)
folder=$(printf '%s' "$task" | sed 's/.*"folder":"\([^"]*\)".*/\1/')
printf '{"frazil": 1, "slices": ['
comma=
for day in $(printf '%s' "$task" | grep -o '"period":"[^"]*"' | sed 's/.*:"//; s/"//'); do
  file=$(printf '%s' "$day" | tr -d -)-0.tif
  [ -f "input/$file" ] || continue
  cp "input/$file" "$folder/$file"
  printf '%s{"period": "%s", "file": "%s"}' "$comma" "$day" "$file"
  comma=,
done
printf ']}'
"#;

impl Sketch {
    pub(crate) fn draw(luck: &mut Luck) -> Self {
        let mut derived: Vec<Derived> = Vec::new();
        for n in 0..1 + luck.below(4) {
            let single: Vec<&Derived> = derived.iter().filter(|one| one.also.is_none()).collect();
            let from = luck.below(single.len() + 1);
            let (name, step, method, second) = match from.checked_sub(1).map(|at| single[at]) {
                None => ("daily", "P1D", "sum", false),
                Some(one) => (one.name.as_str(), one.step, one.method, one.second),
            };
            let coarser = COARSER.iter().find(|(of, _)| *of == step).map_or(&[][..], |(_, to)| to);
            if coarser.is_empty() {
                continue;
            }
            let to = luck.pick(coarser);
            let nests =
                |step: &str| to == "P3M" || COARSER.iter().any(|(of, all)| *of == step && all.contains(&to));
            // Most often the daily dataset, where that is not the first.
            let daily = (name != "daily" && nests("P1D")).then_some(("daily", false)).into_iter();
            let others = single.iter().filter(|one| one.name != name && nests(one.step));
            let others: Vec<(&str, bool)> =
                daily.chain(others.map(|one| (one.name.as_str(), one.second))).collect();
            let also = if others.is_empty() || luck.once_in(3) { None } else { Some(luck.pick(&others)) };
            let second = second || also.is_some_and(|(_, second)| second);
            let one = Derived {
                name: format!("derived{n}"),
                from: name.to_owned(),
                also: also.map(|(name, _)| name.to_owned()),
                step: to,
                // Sums of maxima are refused.
                method: if method == "sum" { luck.pick(&["sum", "sum", "max"]) } else { "max" },
                ready: luck.pick(&["complete", "complete", "any", "{ at-least: 0.5 }"]),
                chunk: 1 + luck.below(4),
                second: second || luck.once_in(3),
            };
            derived.push(one);
        }
        let source = luck.pick(&[Source::Files, Source::Files, Source::Members, Source::Program]);
        Self {
            source,
            version: 1,
            coarse: false,
            derived,
            copies: source == Source::Files && luck.once_in(3),
            unit: 1 + luck.below(6),
            space: [luck.pick(&[16, 32]), luck.pick(&[16, 32])],
            batch: 1 + luck.below(20),
            grid: !luck.once_in(3),
        }
    }

    /// Another definition of one of the derived datasets; whether there is one that may change.
    pub(crate) fn redefine(&mut self, luck: &mut Luck) -> bool {
        let may = |one: &Derived, all: &[Derived]| {
            // A window of one period has the same sum and maximum, and sums may hang from it.
            one.ready != "any"
                && one.also.is_none()
                && !all.iter().any(|other| other.from == one.name || other.also.as_ref() == Some(&one.name))
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

    /// Another version of the daily dataset, perhaps on other cells.
    pub(crate) const fn release(&mut self) {
        self.version += 1;
        // A copy is fetched: it would be of a version of its own.
        if !self.copies {
            self.coarse = !self.coarse;
        }
    }

    /// Whether this dataset is made from two.
    pub(crate) fn joins(&self, name: &str) -> bool {
        self.derived.iter().any(|one| one.name == name && one.also.is_some())
    }

    /// Length of a cell in degrees, and how many there are a side.
    pub(crate) const fn cells(&self) -> (f64, usize) {
        if self.coarse { (1.0, 16) } else { (0.5, 32) }
    }

    /// The members of a day.
    pub(crate) const fn members(&self) -> usize {
        if matches!(self.source, Source::Members) { 2 } else { 1 }
    }

    pub(crate) fn first(&self) -> String {
        let [y, x] = self.space;
        let (unit, version) = (self.unit, self.version);
        let (cell, n) = self.cells();
        let grid = if self.grid {
            format!("grid: {{ origin: [10, 20], cell: [{cell}, -{cell}], shape: [{n}, {n}] }},")
        } else {
            String::new()
        };
        let dimensions = if self.source == Source::Members { "dimensions: { member: [0, 1] }," } else { "" };
        let mut text = format!(
            "frazil: 1
id: first
params: {{ start: {{ type: period, default: \"2024-01-01\" }}, end: {{ type: period, default: latest }} }}
datasets:
  daily:
    {{ title: Daily, version: \"{version}\", time: {{ step: P1D }}, crs: \"EPSG:4326\", {grid} {dimensions} chunks: {{ time: {unit}, y: {y}, x: {x} }},
      variables: {{ v: {{ units: mm, cell: total, dtype: float32 }} }} }}
"
        );
        self.blocks(&mut text, false);
        let batch = self.batch;
        let slices = match self.source {
            Source::Files => {
                "uses: fetch, needs: missing, with: { source: cog, url: \"input/{{ period | date('%Y%m%d') }}-0.tif\", variables: { v: { band: 1 } } }"
            }
            Source::Members => {
                "uses: fetch, needs: missing, with: { source: cog, url: \"input/{{ period | date('%Y%m%d') }}-{{ member }}.tif\", over: { member: [0, 1] }, variables: { v: { band: 1 } } }"
            }
            Source::Program => {
                "uses: exec, needs: missing, with: { command: [sh, program.sh], files: [program.sh], variables: { v: { band: 1 } } }"
            }
        };
        text.push_str(&format!("steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: daily, start: \"{{{{ params.start }}}}\", end: \"{{{{ params.end }}}}\", batch: {batch} }} }}
  slices: {{ {slices} }}
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
            .filter(|one| one.second)
            .flat_map(|one| std::iter::once(&one.from).chain(&one.also))
            .filter(|name| !self.derived.iter().any(|other| other.second && other.name == **name))
            .map(String::as_str)
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
        for Derived { name, from, also, method, ready, .. } in
            self.derived.iter().filter(|one| one.second == second)
        {
            if let Some(also) = also {
                text.push_str(&format!("  {name}: {{ uses: derived-resample, needs: [{from}, {also}], with: {{ dataset: {name}, variables: {{ a: {{ from: {from}.v, method: max }}, b: {{ from: {also}.v, method: max }} }}, ready: {ready} }} }}\n"));
                continue;
            }
            text.push_str(&format!("  {name}: {{ uses: derived-resample, needs: {from}, with: {{ dataset: {name}, method: {method}, ready: {ready} }} }}\n"));
        }
    }
}

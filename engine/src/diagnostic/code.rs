/// A kind of problem and its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable: `FZ203`.
    pub id: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Why it is a problem and how it is mended.
    pub page: &'static str,
}

macro_rules! codes {
    ($($name:ident $id:literal $title:literal $page:literal;)*) => {
        /// The codes, by the name that the code uses.
        pub mod codes {
            $(#[doc = $title] pub const $name: &str = $id;)*
        }
        /// All codes with their pages, in order.
        pub const CODES: &[Code] = &[$(Code { id: $id, title: $title, page: $page }),*];
    };
}

codes! {
    UNREADABLE "FZ001" "a file cannot be read"
        "The file is not there, may not be read, is no UTF-8 text or is larger than 4 MiB.\nFrazil never takes a file that it cannot read for an empty one.";
    SYNTAX "FZ002" "not YAML"
        "The text is not YAML: an indentation, a quote or a bracket is off.\nThe place is where the reader gave up; the cause is often in the line before.";
    BRACES "FZ003" "an expression without quotes"
        "YAML reads `{{ x }}` as a map inside a map. Put quotes around the whole value:\n\n    start: \"{{ params.start }}\"";
    DUPLICATE_KEY "FZ004" "a key twice in one map"
        "YAML readers differ in which of two equal keys they keep, so neither is taken.\nRename or remove one. To take over keys from elsewhere and change some, use an anchor and `<<`.";
    VERSION "FZ005" "a file of another version"
        "`frazil: 1` says which version of the format a file is written in. This engine knows version 1 only and refuses others, instead of guessing what they mean.";
    NOT_A_MAP "FZ006" "not a map of keys"
        "A pipeline file and a project file are maps: `frazil: 1`, `id: …` and so on.";
    NUMBER "FZ007" "a number that readers understand differently"
        "`012` is twelve to one YAML reader and ten to another; `1_000`, `0x1F`, `.5`, `+1` and `1:30` differ as well.\nWrite the number plainly (`12`, `1000`, `0.5`), or put quotes around what is meant as text.";
    DEPTH "FZ008" "nested too deeply"
        "Nothing in these files is nested more than a dozen levels deep; the reader stops at 32, so that no file can exhaust it.\nA bracket that is never closed is the usual cause.";
    EXPANDED "FZ009" "larger than any file that a person writes"
        "A file may be small and yet stand for very much: aliases (`*name`) that repeat aliases, lists without end. The reader counts what a file stands for and stops at 50,000 values.";
    ENOUGH "FZ010" "more problems than are shown"
        "Of one file the first 100 problems are shown: more of them have one cause, or the file is no pipeline at all. Mend these and check again.";
    UNKNOWN_KEY "FZ101" "an unknown key"
        "Every key is known, or it is an error: a misspelt option must not be silently left out.\nKeys at the top that begin with `x-` are free, for anchors.";
    MISSING_KEY "FZ102" "a missing key"
        "This key has no safe default, so it has to be said. The help shows how, with the keys that it needs in turn.";
    TYPE "FZ103" "a value of another type"
        "A text stands where a number is wanted, a list where a map is, and so on.\nText that looks like a number or like `true` needs quotes.";
    CHOICE "FZ104" "not one of the values"
        "The value has to be one of a few words, which the message names where they are few; `frazil schema` with the keys that lead there lists them all: `frazil schema datasets.variables.cell`.";
    NAME "FZ105" "not a name"
        "Names are letters, digits, `_` and `-`, begin with a letter and have at most 64 characters.\nNames used in expressions (params, vars, secrets, pools) have no `-`, since it would subtract.";
    DURATION "FZ106" "not a duration"
        "A duration needs its unit: `500ms`, `2s`, `10m`, `3h`, `45d`, `2w`, or ISO 8601 (`PT10M`, `P1M`).\nA bare number could be seconds to one reader and days to another.";
    FREQUENCY "FZ107" "not a time step"
        "Steps are `PT30M`, `PT1H`, `PT3H` and others that divide a day, `P1D`, `pentad`, `dekad`, `P1W` (ISO weeks), `P1M`, `P3M`, `P1Y`.\n`anchor: 12` begins quarters or years in December.";
    PERIOD "FZ108" "not a period"
        "Periods are written `2024`, `2024-03`, `2024-03-01`, `2024-03-01T05`, `2024-W09`, `2024-03-D1` (dekad), `2024-03-P1` (pentad).";
    BBOX "FZ109" "not a bounding box"
        "A bounding box is west, south, east, north. West is less than east and south less than north; one over the date line is written as two.";
    LICENSE "FZ110" "not a licence"
        "A licence is an SPDX identifier such as `CC-BY-4.0`, or `other` with a link of relation `license`.";
    RANGE "FZ111" "out of range"
        "The number is too small or too large for what it means, or a list has too few or too many items. The help says what the key means.";
    PATTERN "FZ112" "not of the wanted form"
        "The text does not have the form that is wanted here. The message shows how it is written.";
    SETTINGS "FZ113" "settings that do not fit"
        "The settings of a step do not fit its type. `frazil schema steps.<type>` shows what it takes.";
    CRON "FZ114" "not a cron line"
        "Five fields: minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.";
    TIMEZONE "FZ115" "not a time zone"
        "Time zones are IANA names such as `Africa/Freetown` or `UTC`.";
    TRIGGER "FZ116" "a trigger of no kind, or of two"
        "A trigger says exactly one of `cron`, `http` and `dataset`. `timezone`, `missed`, `dst` and `jitter` belong to `cron`.";
    PARAM "FZ117" "a value that does not fit its parameter"
        "The default of a parameter, or a value given for one, has to be of its type and inside its limits.";
    TEXT "FZ118" "not a unit, a CRS or a standard name"
        "Units are written as UDUNITS does (`mm`, `kg m-2 s-1`, `degC`), standard names as in the CF table (`air_temperature`), a CRS as `EPSG:4326`.";
    UNIT "FZ119" "a unit that UDUNITS does not know"
        "Readers convert units by the UDUNITS database; one that it does not know is text to them.\nOf what is counted (people, cells) the unit is `1`; what is counted is said in `long-name`.\n\nThis is a warning.";
    STANDARD_NAME "FZ120" "a standard name that the CF table lacks"
        "`standard-name` is a name of the CF standard name table, so that readers know what a variable is without knowing the dataset. Where the table has no name, leave it out and write `long-name`.\n\nThis is a warning, since the table grows every few months; the one that is known here is version 93.";
    NAME_UNITS "FZ121" "a unit that does not fit the standard name"
        "The CF table says for each name what is measured, as its canonical unit; the unit of the variable has to be one that can be turned into it (`degC` for `K`, `mm` for `m`).\nA layer of water (`mm`: lwe_thickness_of_precipitation_amount) and a mass of water (`kg m-2`: precipitation_amount) are two names.";
    CELL "FZ122" "a cell method that the unit contradicts"
        "`cell: total` says that each number is the amount of its whole period; a unit per time (`mm day-1`, `W m-2`) says that it is a rate. Of the two one is wrong, and sums of them would be.";
    CHUNKS "FZ123" "chunks far too small or too large"
        "A chunk is read as a whole. Below 64 KiB (decoded) opening an object takes longer than reading it, and a long series becomes thousands of objects; above 64 MiB a reader of one point decodes more than a browser holds.\n\nThis is a warning. To change the layout of a cube later, `rechunk` reads and writes all of it, so look at it before the first run.";
    RETRY "FZ124" "an answer that is not to be asked for again"
        "What is tried again is decided by the kind of error, not by a list: broken connections and answers 408, 425, 429 and 5xx (those wait for Retry-After) are; 401, 403 and 404 are not. 403 is how servers tell a client to stay away, and asking again prolongs a ban.\nGive `auth`, or ask for less at a time: `in-flight`, and a `pool` with a `rate`.";
    NEVER "FZ125" "a cron line that never fires"
        "Each field is right, but no day is named by all of them: 30 February does not come.\n`L` is the last day of a month: `0 6 L 2 *`.";
    CLOCK_CHANGE "FZ126" "an instant that a clock change skips or doubles"
        "Where clocks are put forward, an hour of that night does not exist; where they are put back, one exists twice. `dst` says what becomes of such an instant: `once` (the default) starts at the next instant there is, and once; `skip` leaves it out; `both` starts twice.\n\nThis is a warning, and silent where `dst` is said.";
    COUNT "FZ127" "too many of something"
        "A file holds at most 1,000 steps, 1,000 datasets, 200 parameters and 100 triggers. Who makes files by a program makes several.";
    STEP_TYPE "FZ201" "an unknown step type"
        "`uses` names no step type. `frazil schema steps` lists them.";
    STEP "FZ202" "an unknown step"
        "`needs` and `after` name steps of the same file.\nA dataset of another pipeline enters through a step that opens it.";
    EDGE "FZ203" "an edge of the wrong type"
        "Edges carry Periods, Slices or a Snapshot, and a step takes one of them:\nenumerate-periods gives Periods, fetch turns Periods into Slices, append-commit turns Slices into a Snapshot.\n`after: [step]` orders without carrying anything.";
    NEEDS_MISSING "FZ204" "a step that lacks its input"
        "This step type takes something, so `needs` has to name the step that gives it.";
    NEEDS_MANY "FZ205" "a step with more inputs than it takes"
        "This step type takes fewer inputs. Use `after: [step]` to order without carrying anything.";
    CYCLE "FZ206" "steps that wait for each other"
        "The steps named need each other in a circle, so none could ever start.";
    CONSUMERS "FZ207" "a stream with two readers"
        "Slices are a stream inside one process and can be read once. Read from what the first reader gives, or fetch twice.";
    UNCONSUMED "FZ208" "a stream that nobody settles"
        "Slices have to end in a step that settles them, such as append-commit; otherwise what was fetched would be thrown away.";
    POOL "FZ209" "an unknown pool"
        "`pool` names a limit from `pools:` in frazil.yaml.";
    UNUSED_PARAM "FZ210" "a parameter that nothing uses"
        "Whoever starts a run may give it, and nothing follows: it was misspelt where it is used, or is left over.\n\nThis is a warning.";
    UNUSED_SECRET "FZ211" "a secret that nothing uses"
        "No file of the project names it: it was misspelt where it is used, or is left over. A secret that nobody needs is best not there.\n\nThis is a warning.";
    DEAD_TRIGGER "FZ212" "a trigger that nobody can fire"
        "`dataset:` wakes a pipeline when a step commits to that dataset. Nothing in this project writes it, so nothing ever starts the pipeline.\nA dataset that somebody else writes says so: `external: URL`; it is looked at each minute.";
    JOIN "FZ213" "streams of different work joined"
        "A step that takes several streams joins them period by period, in one commit. They have to come from one list of periods, such as one enumerate-periods, or their periods would not meet.";
    ID_TWICE "FZ301" "a name defined twice"
        "Pipelines and datasets of a project share one set of names. A second definition is an error, never an override.";
    DATASET "FZ302" "an unknown dataset"
        "Datasets are defined under `datasets:` of any pipeline file of the project.";
    WRITERS "FZ303" "two writers of one dataset"
        "One step in the whole project changes the values of a dataset; two would undo each other's work.\nSteps that only change how values are stored (rechunk, pyramid, promote, maintain) may come in addition.";
    DATASET_CYCLE "FZ304" "datasets that are made from each other"
        "The datasets named are derived from each other in a circle, across files.";
    STORE "FZ305" "an unknown store"
        "`store` is a name from `stores:` in frazil.yaml, or a URL. Where the project has several stores, each dataset says which.";
    READ_ONLY "FZ306" "a dataset made elsewhere is written"
        "`external` datasets are made by somebody else and never written.";
    NO_VARIABLES "FZ307" "a fetched dataset without variables"
        "A dataset that is fetched says which variables it has; only a derived one takes them from its source.";
    OPENED_INSIDE "FZ308" "a dataset opened in the file that writes it"
        "`open-dataset` is for datasets of other pipelines. Inside a file the step that writes the dataset gives its Snapshot: `needs` it, so that it comes first.";
    NEVER_WRITTEN "FZ309" "a dataset that nothing writes"
        "A step opens a dataset of this project, and no step of any file writes it, so it would wait for ever.\nWrite it (`append-commit`, `derived-resample`), or say where it is made: `external: URL`.";
    SAME_PLACE "FZ310" "one repository under two names"
        "Two datasets lie at the same place. Two writers of one repository undo each other's work, and a repository of this project that is read under another name is an edge that nobody sees.\nGive each dataset a place of its own, and name a dataset of the project by its own name.";
    NO_STATE "FZ311" "a dataset that is read at no state"
        "What is read from a dataset is read at exactly one state of it, that which the step that lists the periods was given. Let that step (`enumerate-periods`) need the one that opens or writes the dataset.";
    DIMENSION "FZ312" "a dimension that cannot be"
        "Dimensions between time and y have a name of their own, which is no other dimension, coordinate or variable of the dataset, and labels that are all whole numbers or all texts, each once. All together they have at most 10,000 combinations: each is at least a chunk of every variable and period.";
    OVER "FZ313" "`over` beside other dimensions"
        "`over` of fetch reads a source file for each combination of labels, so its names and labels are those of `dimensions` of the dataset. A dataset that says no `dimensions` has those that are read.\nA NetCDF or GRIB file (`source: file`) may hold a dimension itself: that one is in `dimensions` alone, under the name that the file has.";
    KEPT_TEMPLATE "FZ314" "a kept template that differs"
        "`datasets/<id>.json` holds the metadata that a dataset is created with, so that a change of it is seen in review: types, chunks, codecs, attributes. It was written for another block than the one that stands in the file now.\n`frazil template ID` shows what the block says, `--write` keeps it. A cube that is there already keeps its metadata: `append-commit` refuses one that is not what is kept.";
    AUDIT "FZ315" "an audited dataset that is not published, or unseen"
        "A dataset with `audit: true` is written on branch `audit`, and everyone else reads `main`. `validate` looks at what was written, `promote` moves `main` to it; readers in the same file hang from `promote`:\n\n    steps:\n      checked: { uses: validate, needs: daily, with: { dataset: rain, checks: [ { gap-free: {} } ] } }\n      public: { uses: promote, needs: checked, with: { dataset: rain } }";
    PAST "FZ316" "a past that nobody lets go"
        "A run that brings fewer periods than a chunk holds writes that chunk anew, and the one before stays in the repository: with chunks of thirty days and a run each day, fifteen times the size of the data. `maintain` lets go of it:\n\n    tidy: { uses: maintain, needs: daily, with: { dataset: rain } }\n\nThis is a warning.";
    EXPRESSION "FZ401" "an expression that cannot be read"
        "Expressions are Jinja: `{{ params.start }}`, `{{ period | date('%Y-%m') }}`.";
    EXPRESSION_NAME "FZ402" "an unknown name in an expression"
        "Known everywhere: `params project vars secrets run now`. In values that are evaluated per source file also `period` and the names of `over`.";
    ATTRIBUTE "FZ403" "an unknown attribute in an expression"
        "The name before the dot is known, what stands after it is not.\nParameters are declared under `params:` of the file; vars, secrets and pools in frazil.yaml.";
    LITERAL "FZ404" "an expression where only a literal may stand"
        "Keys, `uses`, `needs`, `pool`, `dataset`, `source`, `cron` and ids are literal, or `check` could not build the graph.";
    PER_PERIOD "FZ405" "a period where there is none"
        "`period` is known only in values that are evaluated for each source file, such as `url` of fetch.";
    CREDENTIAL "FZ406" "a credential in the file"
        "Files are shared, so no password, key or token stands in them.\nName it under `secrets:` in frazil.yaml and write `{{ secrets.name }}`.";
    HOST "FZ407" "a parameter that decides where requests go"
        "Whoever starts a run gives its parameters, so a text parameter must not reach the scheme or host of a URL or the place of a store.\nUse `vars`, or a parameter of type `enum`.";
    SECRET_ALONE "FZ408" "a secret inside an expression"
        "A secret is put in at the moment of use, so it stands alone: `{{ secrets.name }}`, without filters or operators; other text may stand around the braces.";
    LONG_EXPRESSION "FZ409" "an expression that is too long"
        "A text with expressions has at most 4,096 bytes. What is longer belongs in `vars`, in a parameter, or in a step of its own.";
    LARGE_RESULT "FZ410" "an expression that gives too much"
        "What a text with expressions gives has at most 64 KiB, and evaluating it takes at most 100,000 steps, so that no file can fill the memory or never end.";
    STEP_SETTINGS "FZ502" "settings that cannot work"
        "The step type knows that these settings cannot work: with each other, or with the dataset that they name.";
    FETCH_SETTINGS "FZ510" "fetch settings that cannot work"
        "The settings of fetch contradict each other, or ask for what no source can give. The message says what to write.";
    EXEC_SETTINGS "FZ512" "exec settings that cannot work"
        "A program of the project's own says what it is made of (`files`, or a `version`), so that numbers made by another one are told apart.\nSecrets stand under `env` alone: arguments are seen by every user of the machine, and what a program is told it likes to print.";
    UNSUMMABLE "FZ520" "a sum of means or rates"
        "A sum of means or of rates is no total. Take the mean, or make totals on the way in: the message names the conversion that comes first.";
    UNAVERAGEABLE "FZ521" "a mean of totals"
        "The mean of totals (rain of a day, say) says nothing of the window. Sum them; for a mean rate divide the sum by the length of the window.";
    SOURCE_VARIABLE "FZ522" "a variable that the source lacks"
        "`from` names a variable of a dataset that this one is derived from; where there are several, `dataset.variable` says which.";
    WINDOWS "FZ523" "windows that do not fit the periods of the source"
        "A derived dataset has a coarser step than its source. Where periods of the source lie across the borders of windows, as weeks do across those of months, `windows` says what becomes of them: `weighted` (each by its share), `overlapping` (in both windows) or `contained` (in none).";
    RESAMPLE "FZ524" "derived-resample settings that cannot work"
        "Say `method` for all variables, or `variables` with a method each; not both. Of each dataset that is needed something is made.";
    AMBIGUOUS "FZ525" "a variable that several sources have"
        "A dataset that is derived from several others names the dataset wherever a variable alone does not tell which is meant:\n\n    variables: { rain: { from: chirps3_daily.precip, method: sum } }";
    APART "FZ526" "sources that do not lie on one grid"
        "What is derived from several datasets takes the same cells of each, so all lie on one grid in one CRS. Fetch one on the grid of the other, with the same `bbox` from files of one grid, or derive a dataset from each on its own.";
    NO_AXIS "FZ530" "periods of a dataset without a time axis"
        "A static dataset (`time: none`) has one period, which is all of it: there is no first or last one, and none that is newer.\nIt is read once, again when its definition changes, and by `frazil backfill DATASET --only all`.";
    PACKING "FZ531" "packing that is not into an integer"
        "`scale-factor` and `add-offset` store values as integers, so the dtype has to be one, such as int16.";
    LAYOUT "FZ532" "a layout that cannot be"
        "Chunks have a length along each dimension that is named, shards are whole multiples of chunks, and Zstandard has levels from -7 to 22. Only datasets with a time axis are rechunked.";
    RESAMPLING "FZ536" "a way onto another grid that these numbers do not bear"
        "Of categories (`categories`) there is no mean: `nearest` takes one of them, `mode` the one that covers most.\nCounts (people, unit `1`) add up from cell to cell, so that their mean or the nearest of them changes the total: `sum` keeps it.\nWhat does not add up (a depth of rain, a temperature) has a mean over the cell: `average`.";
    AVERAGED_CATEGORIES "FZ540" "a mean of categories"
        "Categories are names written as numbers: the mean of forest (1) and water (3) is not bare soil (2). Overviews of them hold the most frequent (`mode`), which is also what happens where no method is said, or the first (`nearest`).";
    VALIDATE "FZ550" "checks that cannot work"
        "A check of `validate` names a variable of the dataset, and allows something but not everything.";
    OLD_NAME "FZ601" "an old standard name"
        "The CF table calls it otherwise now. Readers that know the new table only do not find the old name.\n\nThis is a warning; `check --fix` writes the new name.";
    OLD_ZONE "FZ602" "the old name of a time zone"
        "The time zone database keeps old names for old files, and some systems leave them out.\n\nThis is a warning; `check --fix` writes the new name.";
    OLD_LICENSE "FZ603" "an old licence identifier"
        "SPDX says of GNU licences whether later versions hold too: `GPL-3.0-only` or `GPL-3.0-or-later`. The bare identifier left that open.\n\nThis is a warning.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        assert!(CODES.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(CODES.iter().all(|code| code.id.starts_with("FZ") && code.id.len() == 5));
    }
}

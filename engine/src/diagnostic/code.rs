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
        "The text is not YAML: an indentation, a quote or a bracket is off.\nThe place is where the reader gave up; the cause is often in the line before.\n\nSequences that repeat an anchor very often are refused too, so that a small file cannot fill the memory.";
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
    UNKNOWN_KEY "FZ101" "an unknown key"
        "Every key is known, or it is an error: a misspelt option must not be silently left out.\nKeys at the top that begin with `x-` are free, for anchors.";
    MISSING_KEY "FZ102" "a missing key"
        "This key has no safe default, so it has to be said.";
    TYPE "FZ103" "a value of another type"
        "A text stands where a number is wanted, a list where a map is, and so on.\nText that looks like a number or like `true` needs quotes.";
    CHOICE "FZ104" "not one of the values"
        "The value has to be one of a few words.";
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
        "The number is too small or too large for what it means.";
    PATTERN "FZ112" "not of the wanted form"
        "The text does not have the form that is wanted here.";
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
    STEP_SETTINGS "FZ502" "settings that cannot work"
        "The step type knows that these settings cannot work: with each other, or with the dataset that they name.";
    FETCH_SETTINGS "FZ510" "fetch settings that cannot work"
        "The settings of fetch contradict each other, or ask for what no source can give. The message says what to write.";
    UNSUMMABLE "FZ520" "a sum of means or rates"
        "A sum of means or of rates is no total. Take the mean, or make totals on the way in: the message names the conversion that comes first.";
    UNAVERAGEABLE "FZ521" "a mean of totals"
        "The mean of totals (rain of a day, say) says nothing of the window. Sum them; for a mean rate divide the sum by the length of the window.";
    SOURCE_VARIABLE "FZ522" "a variable that the source lacks"
        "`from` names a variable of the dataset that this one is derived from.";
    WINDOWS "FZ523" "windows that do not fit the periods of the source"
        "A derived dataset has a coarser step than its source. Where periods of the source lie across the borders of windows, as weeks do across those of months, `windows` says what becomes of them: `weighted` (each by its share), `overlapping` (in both windows) or `contained` (in none).";
    RESAMPLE "FZ524" "derived-resample settings that cannot work"
        "Say `method` for all variables, or `variables` with a method each; not both.";
    NO_AXIS "FZ530" "a dataset without a time axis"
        "Periods are appended to a time axis, so the dataset needs one: `time: { step: P1D }`, or another step.";
    PACKING "FZ531" "packing that is not into an integer"
        "`scale-factor` and `add-offset` store values as integers, so the dtype has to be one, such as int16.";
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

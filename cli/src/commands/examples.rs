//! What stands below the help of each command.

pub(super) const CHECK: &str = "Examples:
  frazil check                          all files of the project around this folder
  frazil check pipelines examples       several folders, each file with its own project
  frazil check --format github          annotations for a pull request
  frazil check --deny warnings          for a merge that lets nothing through
  frazil check --diff                   what `--fix` would change
  frazil check --fix                    mends what can only be meant one way; comments stay
  frazil check --explain FZ203          the page of one problem";

pub(super) const PLAN: &str = "Examples:
  frazil plan chirps3                   what a run would do, and why
  frazil plan chirps3 -p end=2024-02    with a parameter
  frazil plan chirps3_daily+            a dataset and all that hangs from it, in other files too
  frazil plan chirps3 --exit-code       2 when there is work, for scripts
  frazil plan chirps3 -o plan.json      for review; `frazil run plan.json` does just that, or refuses
  frazil plan chirps3 --as-of 2026-03-01T06:00:00Z";

pub(super) const RUN: &str = "Examples:
  frazil run chirps3                    what is missing, then what hangs from it
  frazil run chirps3 -p start=2024-01 -p end=2024-02
  frazil run chirps3_monthly            a dataset: the steps that it needs
  frazil run chirps3_daily+             and all that hangs from it, in other files too
  frazil run +spi3                      and what it needs of other files
  frazil run plan.json                  what a plan lists; 4 when a store moved since
  frazil run chirps3 --overlap skip     nothing where another run of it is at work; or replace it
  frazil run chirps3 --as-of 2026-03-01T06:00:00Z
  frazil run chirps3 --format json      events, one object per line

Killed at any moment, the next run goes on where it was. Ctrl-C settles whole periods first.";

pub(super) const BACKFILL: &str = "Examples:
  frazil backfill chirps3 --from 1981 --to 1990             what is missing in these years, gaps of any age too
  frazil backfill chirps3_daily --from 2024-03 --to 2024-03 --only all
                                                            every day of March is asked for again
  frazil backfill chirps3_daily+ --from 2024 --only all     and what hangs from it follows
  frazil backfill chirps3_daily --period 2024-03-05,2024-03-09..2024-03-11 --only all
  frazil backfill chirps3 --only failed                     where past runs failed and nothing is there still
  frazil backfill chirps3_daily --from 2020 --only all --order newest
  frazil backfill chirps3_daily --from 2020 --only all --plan

Values that are as they were make no commit.";

pub(super) const RETRY: &str = "Examples:
  frazil retry r20261120-115246030-9682d7                   what failed, and what was not done because of it
  frazil retry r20261120-115246030-9682d7 --step monthly    that step alone, with what it needs
  frazil retry r20261120-115246030-9682d7 --item 2024-03    of the periods only those of March

It is a run of its own, with the parameters and the instant of the one that failed: what is there by
now is not done again.";

pub(super) const MARK: &str = "Examples:
  frazil mark chirps3_daily --period 2024-03-05 --reason 'stripes over the coast'
  frazil mark chirps3_daily --period 2024-03-05..2024-03-07 --dry-run
  frazil mark chirps3_daily --period 2024-03-08             the very next one: a hole that nobody will fill is passed
  frazil mark chirps3_daily --period 2024-03-05 --clear     the next run asks for it again

A withdrawn period holds no numbers, and no run asks for it. What hangs from the dataset follows with its next run: a
month that lacks one of its days is incomplete.";

pub(super) const CANCEL: &str = "Examples:
  frazil cancel r20261120-115246030-9682d7
  frazil cancel r20261120-115246030-9682d7 --reason 'the source asked us to'";

pub(super) const STATUS: &str = "Examples:
  frazil status                         all datasets: newest period, what it should be, the last run
  frazil status --late                  what is older than its `late` allows; ends with 1 where anything is
  frazil status chirps3_daily --format json | jq .missing";

pub(super) const LAYOUT: &str = "Examples:
  frazil layout chirps3_daily            chunks, and what a map, a series and a year of a region cost; advice
  frazil layout chirps3_daily --format json | jq '.variables[].reads[] | {what, requests}'

Before the first run it shows what the block declares (`grid`, `crs`, types), with a year of periods.";

pub(super) const TEMPLATE: &str = "Examples:
  frazil template chirps3_daily          types, chunks, codecs and attributes, as far as the block says them
  frazil template chirps3_daily --write  keeps it in datasets/chirps3_daily.json, for review
  frazil template --write                writes anew what is kept

Without --write it ends with 1 where what is kept differs; `frazil check` does too.";

pub(super) const NEXT: &str = "Examples:
  frazil next                           the next ten instants of all pipelines
  frazil next chirps3 --limit 100 --format json | jq -r 'select(.\"clock-change\") | .local'
  frazil next --as-of 2026-03-28T00:00:00Z";

pub(super) const RUNS: &str = "Examples:
  frazil runs
  frazil runs --format json | jq -r 'select(.status == \"failed\") | .run'";

pub(super) const SHOW: &str = "Examples:
  frazil show r20261120-115246030-9682d7
  frazil show r20261120-115246030-9682d7 --format json";

pub(super) const LOGS: &str = "Examples:
  frazil logs r20261120-115246030-9682d7
  frazil logs -f r20261120-115246030-9682d7      until it has finished
  frazil logs r20261120-115246030-9682d7 --format json | jq -r .event";

pub(super) const AUDIT: &str = "Examples:
  frazil audit chirps3_daily             what stands on branch `audit`, and how it differs from `main`
  frazil audit chirps3_daily --accept --reason \"a real storm\"
  frazil audit chirps3_daily --drop      the next run does the work again";

pub(super) const GC: &str = "Examples:
  frazil gc --dry-run                    what would go of every dataset, and the bytes
  frazil gc chirps3_daily                what its `maintain` step says; 30 days and ten snapshots where there is none
  frazil gc chirps3_daily --age 7d --count 1

Kept are always: what branches and tags name, what datasets of this project were made from with all that
follows, what a run that is not over found, and objects younger than it.";

pub(super) const EXPLAIN: &str = "Examples:
  frazil explain chirps3_monthly                     from what it is made, whether it is stale, what a run would do
  frazil explain chirps3_monthly --period 2026-03    why March is there, is not, or is preliminary
  frazil explain chirps3_daily --period 2026-03 --format json | jq -r 'select(.status == null) | .period'";

pub(super) const TEST: &str = "Examples:
  frazil test                           all tests of the project around this folder
  frazil test pipelines/chirps3.test.yaml --only month
  frazil test --format junit > report.xml

Each test has a clock, stores and answers of sources of its own, in a temporary folder; nothing else is
reached but files of this machine. `frazil schema test` prints what a test file may say.";

pub(super) const GRAPH: &str = "Examples:
  frazil graph                          all pipelines and datasets of the project, as Mermaid
  frazil graph --datasets               datasets alone, and which is made from which
  frazil graph chirps3_daily+           what hangs from a dataset, in other files too
  frazil graph chirps3 --format dot | dot -Tsvg > chirps3.svg";

pub(super) const SCHEMA: &str = "Examples:
  frazil schema > pipeline.v1.json      for editors
  frazil schema steps.fetch             one step type";

pub(super) const SERVE: &str = "Examples:
  frazil serve                          on http://127.0.0.1:8080
  frazil serve --listen 127.0.0.1:0 --format json
                                        on a free port, which its first line tells

  /zarr/DATASET/                        the dataset as a Zarr store: xarray.open_zarr(\"http://…/zarr/DATASET\")
  /zarr/DATASET@SNAPSHOT/               one state of it, the same for ever
  /icechunk/DATASET/                    its repository: icechunk.http_storage(\"http://…/icechunk/DATASET\")

From other machines it can be reached once there is a token: `frazil token create --help`.
Ctrl-C lets answers that were begun end.";

pub(super) const TOKEN: &str = "Examples:
  frazil token create ada --role operator
                                        prints the token, once: only its digest is kept
  frazil token create dashboard --role viewer --expires 90d > dashboard.token
  frazil token list
  frazil token revoke dashboard         opens nothing any more, a second later also where `serve` runs

  curl -H \"Authorization: Bearer $(cat dashboard.token)\" http://127.0.0.1:8080/

A viewer looks at datasets and runs, an operator also starts and stops runs, an admin also changes what
there is. Until the first token is made `serve` answers this machine alone, and asks nobody; from then on it
asks everybody.";

pub(super) const BACKUP: &str = "Examples:
  frazil backup /backups/frazil-$(date +%F).sqlite
  frazil restore /backups/frazil-2026-11-20.sqlite

A backup may be made while a server and runs are at work: it is one state of them all. Before a restore they
are stopped; what was there is kept beside. Cubes are no part of it: they say themselves what is done, and
runs that a restored history takes for unfinished find their periods there.";

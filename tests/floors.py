"""The layers (floors) of the project, their packages (rooms) and the files of each, in import order."""

from __future__ import annotations

# The layers (floors) from the lowest up, the packages (rooms) of each, and the files of each package in import order:
# a file imports from lower layers and from the files listed before it. A file that is not listed is a fault.
HOUSE: tuple[dict[str, str], ...] = (
    {  # words
        "": (
            "events errors exit_codes listening cached clock visible tenfold records findings notices chain log_lines "
            "text log"
        ),
    },
    {  # settings and arithmetic
        "settings": (
            "duration calendar version_path types places fields later kafka bridge detector model outputs tree "
            "yaml_text shape document faults load"
        ),
        "frames": "columns rows events",
        "stats": (
            "pairs.levels pairs.tables tallies.names tallies.later tallies.growing tallies.number_table "
            "tallies.thinning distances digits sliding testing.evidence tallies.slots detectors.detector "
            "detectors.adwin detectors.error_detectors detectors.value_detectors variance.equal_runs "
            "variance.newest_values variance.long_run season.terms season.fit "
            "testing.directions testing.ending testing.onset bins.unseen bins.reference_bins "
            "bins.hit_places bins.agreement bins.name_bins derived.vectors derived.scripts derived.texts "
            "derived.columns variance.quality_dispersion testing.directional testing.screening bins.numeric_bins "
            "bins.weighted bins.tails tallies.further tallies.tally performance.score_grid performance.class_scores "
            "performance.label_sums performance.outcome_tally performance.label_tally performance.class_figures "
            "performance.figures testing.mean_difference performance.judged_errors variance.number_sums "
            "tallies.block variance.live_watch additive variance.series_variance testing.promise traffic "
            "testing.fairness testing.fact_share testing.limits isotonic"
        ),
    },
    {  # decoding
        "decode": (
            "raw columns surveyed values derived native.rows native.wrong native.probabilities "
            "native.blocks native.gather native.wrapping native.reference_decoder native.fast_decoder native.versions "
            "native.trees native.many native.raw_fields native.decoder table_rows table_decoder "
            "encodings.encoding encodings.json encodings.framing encodings.plain encodings.avro "
            "encodings.proto_text encodings.protobuf layout fields.paths fields.layout fields.structs "
            "fields.outside fields.fan_out fields.compiled fields.observed fields.suggest layout_decoder formats.call "
            "formats.unwrap formats.tensors formats.bodies formats.answers formats.events formats.cloudevents "
            "formats.labels formats.wire formats.protobuf formats.prediction_log formats.wrapped formats.kserve "
            "formats.oip formats.seldon formats.mlflow formats.tfserving formats.databricks formats.sagemaker "
            "formats.vertex formats.azure formats.auto platform half pairing_decoder auto_decoder decoder"
        ),
    },
    {  # references
        "reference": (
            "survey.values survey.vectors survey.events survey.order relations season column score_effects "
            "variability segments performance_part outcome_part estimate imported file.imported file.effects "
            "file.estimate file.performance file.segments file.outcomes file.derived file.json_faults file.validity "
            "reference blank file.encoding references score_split configured monitored plan.values plan.derived "
            "plan.columns plan.segments plan.imported learn.imported imports.limits imports.shape imports.columns "
            "imports.tfrecord imports.tfdv_messages imports.tfdv_schema imports.tfdv imports.trees "
            "imports.sagemaker_constraints imports.sagemaker imports.table imports.mlflow imports.kserve "
            "imports.vertex imports.azure imports.catalog learn.season learn.relations learn.effects learn.estimate "
            "learn.means learn.performance learn.label_facts learn.segments notes.segments learn.outcomes "
            "notes.estimate notes.performance notes.outcomes notes.fairness learn.reference notes.paging "
            "notes.relations notes.events notes.imported notes.show"
        ),
    },
    {  # counting (stage 1)
        "count": (
            "outcomes columns.facts columns.categories columns.schema columns.sample admission.versions_seen "
            "admission.versions admission.label_keys columns.binning columns.numeric_arrays labels.cohorts "
            "task_state clocks.event_clock clocks.ahead_events event_ids losses admission.batch pairs_waiting "
            "batch_outcomes partition_state rejected_share put_off totals columns.pane_rows columns.segment_codes "
            "labels.answers labels.rows labels.outcome_counts labels.aggregator clocks.label_clock labels.id_runs "
            "labels.newest labels.join_tables labels.join_changes labels.pending labels.predictions_by_pane "
            "labels.join_state labels.model_join labels.joined_model labels.joins labels.task_labels clocks.progress "
            "clocks.label_progress clocks.completeness columns.pair_counter columns.score_counter "
            "columns.segment_counter columns.new_slots columns.by_partition columns.block columns.aggregator "
            "warmup.lines warmup.rows task exchange"
        ),
    },
    {  # judging (stage 2)
        "judge": (
            "promise.budget incidents.ended incidents.recurring incidents.silence incidents.first_cause "
            "incidents.informational incidents.reported incidents.incident incidents.book policy "
            "windows.prepared_reference windows.pyramid warmup windows.season windows.label_windows "
            "windows.late_cohorts windows.label_arrivals windows.fact_blocks windows.group_blocks words.errors "
            "words.outcomes words.spelling windows.all_values comparison.column_change comparison.related "
            "words.relations comparison.columns comparison.daily_shift comparison.lazy_comparison comparison.exchanged "
            "comparison.near_range comparison.quality_tails comparison.segmented windows.outcome_windows "
            "comparison.means comparison.segment_means comparison.means_in_segments attribution.score_parts "
            "causes.around causes.cause promise.detectable words.setting_notes causes.quality_words causes.constant "
            "causes.errors causes.label_means causes.segment_errors causes.performance causes.fairness causes.outcome "
            "causes.traffic causes.fact_share causes.label_facts causes.schema causes.platform_limit "
            "causes.unit_change causes.smaller_unit "
            "causes.distribution_words causes.distribution causes.segments causes.residual causes.consecutive "
            "causes.relation causes.detectors causes.quality causes.segment_quality causes.features_gone "
            "causes.tags_gone causes.catalog evaluation newest_panes comparison.version_comparison traffic_time "
            "judge_state "
            "attribution.single_partition attribution.moved estimated model words.detectors promise.promised "
            "promise.words fleet"
        ),
    },
    {  # the outside
        "kafka": (
            "library_log batch_header codecs library_batch cut_values record_batch unpack opened_batch fetch_state "
            "batches socket_reads reading_path stalls allocator clock_check connect reader confluent.columns "
            "confluent.config confluent.partition confluent.reader readers group topics producer "
            "delivery reporting watch cloud_events alerts acts rejects withheld consumer"
        ),
        "registry": "client",
        "sources": (
            "streams merge_by_time until_offsets copies recordings csv_rows parquet_cells parquet_columns parquet_rows "
            "writing kinds readers files event_times whole_calls"
        ),
        "state": (
            "durable codec frozen packing segments part_files checkpoint directory versions finding_trees told_trees "
            "task_part model_part warmup_part label_parts join_part pairs_part one_tree labels_within parts"
        ),
        "publish": (
            "dashboards.panels status.style status.drawing status.html links rules.alert snapshot rules.events "
            "rules.health rows column_series reading_series traffic_series rules.annotations rules.drift "
            "call_series outcome_series fairness_series label_series rules.labels status.model_cards dashboards.fleet "
            "rules.file register status.incident_cards status.notices dashboards.model series_limit family packed "
            "status.page dashboards.dashboard series site connection server"
        ),
    },
    {  # events of a service that reports itself, those that come over HTTP, and what the path asks of the outside
        "": "client",
        "bridge": "answers ids posts routes figures access holding connection receiver serve",
        "loop": "time sinks saving beside stage2 arrivals letters decoders pairing warming checkpoints",
    },
    {  # the path
        "": "pipeline",
    },
    {  # what runs
        "run": (
            "garbage terminal reference_file reference_import reference_files loss_reasons left_out loss_lines "
            "lost_events no_ids outcome_lines performance_lines state_show outputs decoders kafka_source open_source "
            "understood suggesting accepting telling column_views counted_rows first_pass reference_labels "
            "reference_build warmup_learning warmup_lines human_lines replay comparing promises model_parts "
            "snapshot_builder restoring daemon"
        ),
    },
    {  # from Python, and what was told, read again
        "tables": "roles source building judgement judging",
        "told": ("line reading chains incidents monitoring articles audit audit_text audit_csv audit_html auditing"),
    },
    {  # the demo, and what was told in other forms
        "demo": "flights child broker traffic words show",
        "exports": "names picked form sagemaker tfdv openlineage azure vertex mlflow forms exporting following",
    },
    {  # the command line
        "cli": "check compare told importing commands receive completion usage command told_parser parser",
    },
    {
        "": "__main__",
    },
)

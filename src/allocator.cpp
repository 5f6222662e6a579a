// jemalloc, in the program alone (docs/decisions/0010). MALLOC_CONF in the environment overrides this.

extern "C" {
/// One arena, little kept for later: weir allocates little, and the relay has 25 MB for all. The profiler is there but asleep until
/// somebody can ask it: its unwinder alone costs a megabyte (telemetry/profiles).
const char* malloc_conf =
    "narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0,tcache_max:1024,"
    "prof:true,prof_active:false,prof_accum:true,lg_prof_sample:19";
}

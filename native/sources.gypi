{
  "variables": {
    "vitrine_engine_sources": [
      "native/base/crc32c.cc",
      "native/base/pages.cc",
      "native/base/siphash.cc",
      "native/base/slot_array.cc",
      "native/base/thread_pool.cc",
      "native/engine/id_map.cc",
      "native/engine/reader_pool.cc",
      "native/engine/shared_rows.cc",
      "native/engine/table.cc",
      "native/engine/table_file_format.cc",
      "native/engine/table_load.cc",
      "native/engine/table_save.cc",
      "native/engine/table_search.cc",
      "native/engine/table_write.cc",
      "native/index/entry_table.cc",
      "native/index/graph.cc",
      "native/index/graph_maintenance.cc",
      "native/index/neighbour_selection.cc",
      "native/index/scratch.cc",
      "native/index/vector_store.cc",
      "native/index/walk.cc",
      "native/index/walk_avx2.cc",
      "native/index/walk_avx512.cc",
      "native/index/walk_portable.cc",
      "native/kernels/avx2.cc",
      "native/kernels/avx512.cc",
      "native/kernels/cpu_features.cc",
      "native/kernels/dispatch.cc",
      "native/kernels/neon.cc",
      "native/kernels/scalar.cc",
      "native/storage/container_format.cc",
      "native/storage/container_reader.cc",
      "native/storage/container_writer.cc",
      "native/storage/posix_file_system.cc",
      "native/storage/replaced_file.cc",
      "native/storage/windows_file_system.cc"
    ],
    "vitrine_binding_sources": [
      "native/binding/addon.cc",
      "native/binding/completion_queue.cc",
      "native/binding/entry.cc",
      "native/binding/file_functions.cc",
      "native/binding/guard.cc",
      "native/binding/index_functions.cc",
      "native/binding/js_value.cc",
      "native/binding/module.cc",
      "native/binding/operation.cc",
      "native/binding/process_pool.cc",
      "native/binding/search_functions.cc",
      "native/binding/write_functions.cc",
      "native/binding/write_queue.cc"
    ],
    "vitrine_defines": [
      "NAPI_VERSION=9"
    ],
    "vitrine_release_defines": [
      "NDEBUG"
    ],
    "vitrine_cflags_cc": [
      "-std=c++20",
      "-fexceptions",
      "-frtti",
      "-fvisibility=hidden",
      "-fvisibility-inlines-hidden",
      "-ffp-contract=off",
      "-Wno-missing-field-initializers",
      "-Wno-maybe-uninitialized",
      "-Wno-unknown-warning-option"
    ],
    "vitrine_release_cflags_cc": [
      "-O3"
    ]
  }
}

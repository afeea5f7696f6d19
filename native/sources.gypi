{
  "variables": {
    "vitrine_engine_sources": [
      "native/base/pages.cc",
      "native/base/slot_array.cc"
    ],
    "vitrine_binding_sources": [
      "native/binding/addon.cc"
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
      "-Wno-missing-field-initializers"
    ],
    "vitrine_release_cflags_cc": [
      "-O3"
    ]
  }
}

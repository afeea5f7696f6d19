{
  "variables": {
    "vitrine_engine_sources": [
      "native/base/pages.cc",
      "native/base/slot_array.cc",
      "native/kernels/avx2.cc",
      "native/kernels/avx512.cc",
      "native/kernels/cpu_features.cc",
      "native/kernels/dispatch.cc",
      "native/kernels/neon.cc",
      "native/kernels/scalar.cc"
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

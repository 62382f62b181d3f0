"""The families of Caffe2 operators, one module each; all modules here are found by scanning this folder."""

"""Nets of Caffe, the framework before Caffe2: read, and made Caffe2 nets by the rules of Caffe2's own translator."""

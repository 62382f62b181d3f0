"""The generated protobuf modules of Caffe2's and Caffe's nets and the schemas they are made from."""

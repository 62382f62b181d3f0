"""The generated protobuf module of Caffe2 nets and the schema it is made from."""

"""A protocol check: what TensorFlow's model server asks of an export.

It is a small server in Python with the two interfaces of TF Serving. It is not
TF Serving, and what passes here was not run on TF Serving. It has the rules
that our exports, our client and the files that we write for a server can
break, and no others:

- A SavedModel loads through TensorFlow's C API with the tag `serve`, and
  answers without `keras_vae`; its warm-up requests are answered: `servable`,
  `warmup`.
- A request has the names, dtypes and shapes of a signature, and is refused
  otherwise with the code and the words that our client passes on: `servable`,
  `messages`, `grpc_server`, `rest_server`.
- Inputs and outputs share dimension 0, so that requests are joined, padded and
  cut apart: `batching`.
- In JSON tensors come in rows and in columns, files in base64: `json_tensors`.
- A version is a folder whose name is a number; the highest one is served, and
  takes over without a lost request if it loads: `versions`.
- The files for a server are the server's messages: `config_files`.

What TF Serving does besides, metrics, deadlines, queues that are full, labels
and policies of versions, is not here: nothing of this package can break it.

    python -m tests.serving.protocol.server --model_name=vae \\
        --model_base_path=saved_models/demo --port=8500 --rest_api_port=8501

In a test:

    with running_server("saved_models/demo") as server:
        grpc.insecure_channel(server.grpc_address)
        requests.get(f"{server.rest_address}/v1/models/{server.model_name}")

References:
    The rules were read in the sources of TF Serving, at github.com/tensorflow/
    serving, and are named in each module after the file that sets them.
"""

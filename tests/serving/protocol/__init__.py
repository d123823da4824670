"""A protocol check: the two interfaces of TensorFlow's model server, in Python.

It speaks the gRPC and the REST protocol that TF Serving speaks, and refuses
what TF Serving refuses, with the same status codes; it is not TF Serving, and
what passes here was not run on TF Serving. The models run through TensorFlow's
C API, so nothing of `keras_vae` is needed to answer.

From a shell:

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

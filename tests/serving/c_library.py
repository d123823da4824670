"""TensorFlow's C library through ctypes: what the client needs of it.

References:
    tensorflow/c/c_api.h, tensorflow/c/tf_tstring.h
"""

import ctypes
import functools
import importlib.util
import pathlib
import types
from typing import Any

import numpy as np

from tests.serving import signatures

__all__ = [
    "CApiError",
    "Output",
    "Status",
    "library",
    "to_array",
    "to_tensor",
]

_ENUMS = {dtype: enum for enum, dtype in signatures.DTYPES.items()}
_POINTER = ctypes.c_void_p


class _Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = [
        ("data", _POINTER),
        ("length", ctypes.c_size_t),
        ("deallocator", _POINTER),
    ]


class Output(ctypes.Structure):
    """TF_Output: an operation and which of its outputs."""

    _fields_ = [("operation", _POINTER), ("index", ctypes.c_int)]


class _TString(ctypes.Structure):
    """TF_TString: 24 bytes, only ever read through the C functions."""

    _fields_ = [("opaque", ctypes.c_uint8 * 24)]


_INT = ctypes.c_int
_SIZE = ctypes.c_size_t
_TEXT = ctypes.c_char_p
_DIMS = ctypes.POINTER(ctypes.c_int64)
_OUTPUTS = ctypes.POINTER(Output)
_TENSORS = ctypes.POINTER(_POINTER)
_STRINGS = ctypes.POINTER(_TString)

# Name -> (result, arguments). ctypes would cut pointers to 32 bits without it.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_NewStatus": (_POINTER, []),
    "TF_DeleteStatus": (None, [_POINTER]),
    "TF_GetCode": (_INT, [_POINTER]),
    "TF_Message": (_TEXT, [_POINTER]),
    "TF_NewBuffer": (ctypes.POINTER(_Buffer), []),
    "TF_DeleteBuffer": (None, [ctypes.POINTER(_Buffer)]),
    "TF_NewGraph": (_POINTER, []),
    "TF_DeleteGraph": (None, [_POINTER]),
    "TF_GraphOperationByName": (_POINTER, [_POINTER, _TEXT]),
    "TF_NewSessionOptions": (_POINTER, []),
    "TF_DeleteSessionOptions": (None, [_POINTER]),
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        [
            *(_POINTER, _POINTER, _TEXT, ctypes.POINTER(_TEXT), _INT),
            *(_POINTER, ctypes.POINTER(_Buffer), _POINTER),
        ],
    ),
    "TF_CloseSession": (None, [_POINTER, _POINTER]),
    "TF_DeleteSession": (None, [_POINTER, _POINTER]),
    "TF_SessionRun": (
        None,
        [
            *(_POINTER, _POINTER, _OUTPUTS, _TENSORS, _INT),
            *(_OUTPUTS, _TENSORS, _INT, _POINTER, _INT, _POINTER, _POINTER),
        ],
    ),
    "TF_AllocateTensor": (_POINTER, [_INT, _DIMS, _INT, _SIZE]),
    "TF_DeleteTensor": (None, [_POINTER]),
    "TF_TensorData": (_POINTER, [_POINTER]),
    "TF_TensorType": (_INT, [_POINTER]),
    "TF_TensorByteSize": (_SIZE, [_POINTER]),
    "TF_NumDims": (_INT, [_POINTER]),
    "TF_Dim": (ctypes.c_int64, [_POINTER, _INT]),
    "TF_StringInit": (None, [_STRINGS]),
    "TF_StringAssignView": (None, [_STRINGS, _TEXT, _SIZE]),
    "TF_StringGetDataPointer": (_POINTER, [_STRINGS]),
    "TF_StringGetSize": (_SIZE, [_STRINGS]),
}


@functools.cache
def library() -> ctypes.CDLL:
    """Loads the C library of the installed tensorflow wheel."""
    # find_spec of a top-level package finds it without importing it.
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "The tensorflow wheel is needed for its shared libraries: "
            f"pip install tensorflow. Received: {spec}."
        )
    folder = pathlib.Path(spec.submodule_search_locations[0])
    # Not RTLD_GLOBAL: the libraries hold a BoringSSL, and the Python modules
    # that are loaded later, as hashlib, would take its functions for
    # OpenSSL's and crash. The second library finds the first, which it names
    # as needed, once that is loaded.
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"))
    lib = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class CApiError(RuntimeError):
    """A call of the C API that failed.

    Attributes:
        code: The status code, numbered as gRPC numbers them.
        message: TensorFlow's message.
    """

    def __init__(self, code: int, message: str):
        super().__init__(f"TensorFlow's C API, code {code}: {message}")
        self.code = code
        self.message = message


class Status:
    """A TF_Status that lives for one call and raises if it failed."""

    def __enter__(self) -> int:
        self._status = library().TF_NewStatus()
        return self._status

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        code = library().TF_GetCode(self._status)
        text = library().TF_Message(self._status).decode(errors="replace")
        library().TF_DeleteStatus(self._status)
        if code and error is None:
            raise CApiError(code, text)


def to_tensor(array: np.ndarray) -> int:
    """Copies `array` into a new TF_Tensor.

    Strings become views of the bytes objects: those must outlive the tensor.
    """
    lib = library()
    is_string = array.dtype == object
    size = array.size * ctypes.sizeof(_TString) if is_string else array.nbytes
    tensor = lib.TF_AllocateTensor(
        _ENUMS[array.dtype],
        (ctypes.c_int64 * array.ndim)(*array.shape),
        array.ndim,
        size,
    )
    data = lib.TF_TensorData(tensor)
    if is_string:
        strings = ctypes.cast(data, _STRINGS)
        for index, value in enumerate(array.flat):
            string = ctypes.byref(strings[index])
            lib.TF_StringInit(string)
            lib.TF_StringAssignView(string, value, len(value))
    elif size:
        ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, size)
    return tensor


def to_array(tensor: int) -> np.ndarray:
    """Copies a TF_Tensor into a new array; strings become bytes objects."""
    lib = library()
    shape = [lib.TF_Dim(tensor, axis) for axis in range(lib.TF_NumDims(tensor))]
    dtype = signatures.DTYPES[lib.TF_TensorType(tensor)]
    array = np.empty(shape, dtype)
    data = lib.TF_TensorData(tensor)
    if dtype.kind != "O":
        size = lib.TF_TensorByteSize(tensor)
        if size:
            ctypes.memmove(array.ctypes.data, data, size)
        return array
    strings = ctypes.cast(data, _STRINGS)
    flat = array.reshape(-1)
    for index in range(flat.size):
        string = ctypes.byref(strings[index])
        flat[index] = ctypes.string_at(
            lib.TF_StringGetDataPointer(string),
            lib.TF_StringGetSize(string),
        )
    return array

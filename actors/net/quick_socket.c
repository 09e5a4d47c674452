/* QuickSocket: a socket whose recv and send cost the half of CPython's own. session_socket.py is its fallback.

   It derives from _socket.socket, so all else is as there. What differs, and why it is quicker:

   - It never waits, whatever its timeout is: MSG_DONTWAIT. So it keeps the GIL. A call takes microseconds, and
     a thread that computes may give the GIL back only after 5 ms (docs/performance.md).
   - It knows its descriptor. The standard library's is in a structure that is not public, so this one has a copy
     behind that structure. Whatever changes the descriptor (__init__, close, detach) changes the copy.
   - Few octets are received on the stack, and the object is made when their number is known. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* CPython ignores SIGPIPE anyway */
#endif

#define FEW 4096 /* octets */

/* All of it is set once, when the module is made, and refers to objects that live as long as the process. */
static Py_ssize_t place; /* of the copy in an object, in octets */
static initproc base_init;
static PyObject *base_close, *base_detach;

/* The descriptor and 1: an object whose __init__ was not called has zeros there. */
static int *copy_of(PyObject *self)
{
    return (int *)((char *)self + place);
}

static int descriptor_of(PyObject *self)
{
    return *copy_of(self) - 1; /* -1 makes EBADF, as CPython's does */
}

static int quick_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *number;
    long descriptor;

    *copy_of(self) = 0;
    if (base_init(self, args, keywords) < 0)
        return -1;
    number = PyObject_CallMethod(self, "fileno", NULL);
    if (number == NULL)
        return -1;
    descriptor = PyLong_AsLong(number);
    Py_DECREF(number);
    if (descriptor == -1 && PyErr_Occurred())
        return -1;
    *copy_of(self) = (int)descriptor + 1;
    return 0;
}

static PyObject *quick_close(PyObject *self, PyObject *unused)
{
    *copy_of(self) = 0;
    return PyObject_CallFunctionObjArgs(base_close, self, NULL);
}

static PyObject *quick_detach(PyObject *self, PyObject *unused)
{
    *copy_of(self) = 0;
    return PyObject_CallFunctionObjArgs(base_detach, self, NULL);
}

/* Whether a call failed only because a signal came, and no handler of it has raised. */
static int goes_on(void)
{
    return errno == EINTR && PyErr_CheckSignals() == 0;
}

static PyObject *fail(void)
{
    return PyErr_Occurred() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
}

/* The arguments of recv and send: one of their own, and perhaps flags. */
static int read_flags(const char *name, PyObject *const *args, Py_ssize_t count, int *flags)
{
    long given = 0;

    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "%s takes 1 or 2 arguments (%zd given)", name, count);
        return -1;
    }
    if (count == 2) {
        given = PyLong_AsLong(args[1]);
        if (given == -1 && PyErr_Occurred())
            return -1;
    }
    *flags = (int)given | MSG_DONTWAIT;
    return 0;
}

static PyObject *quick_recv(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    char few[FEW];
    PyObject *octets = NULL, *made;
    char *where = few;
    Py_ssize_t size, got;
    int flags;

    if (read_flags("recv", args, count, &flags) < 0)
        return NULL;
    size = PyLong_AsSsize_t(args[0]);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
        return NULL;
    }
    if (size == 0) /* asks nothing of the kernel, as CPython's */
        return PyBytes_FromStringAndSize(NULL, 0);
    if (size > FEW) {
        octets = PyBytes_FromStringAndSize(NULL, size);
        if (octets == NULL)
            return NULL;
        where = PyBytes_AsString(octets);
    }
    do {
        got = recv(descriptor_of(self), where, (size_t)size, flags);
    } while (got < 0 && goes_on());
    if (got < 0) {
        Py_XDECREF(octets);
        return fail();
    }
    if (got == size && octets != NULL)
        return octets;
    made = PyBytes_FromStringAndSize(where, got); /* the stable ABI can't make an object smaller */
    Py_XDECREF(octets);
    return made;
}

static PyObject *quick_send(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer octets;
    Py_ssize_t sent;
    int flags;

    if (read_flags("send", args, count, &flags) < 0)
        return NULL;
    if (PyObject_GetBuffer(args[0], &octets, PyBUF_SIMPLE) < 0)
        return NULL;
    do {
        sent = send(descriptor_of(self), octets.buf, (size_t)octets.len, flags | MSG_NOSIGNAL);
    } while (sent < 0 && goes_on());
    PyBuffer_Release(&octets);
    return sent < 0 ? fail() : PyLong_FromSsize_t(sent);
}

static PyMethodDef methods[] = {
    {"recv", (PyCFunction)(void (*)(void))quick_recv, METH_FASTCALL,
     "recv(octets[, flags]): what has come, at most so many octets; never waits."},
    {"send", (PyCFunction)(void (*)(void))quick_send, METH_FASTCALL,
     "send(data[, flags]): send as much as the socket takes now, and return how much; never waits."},
    {"close", quick_close, METH_NOARGS, "close(): close the socket."},
    {"detach", quick_detach, METH_NOARGS, "detach(): let go of the descriptor, and return it."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A socket whose recv and send never wait, and are quicker."},
    {Py_tp_init, quick_init},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "actors.net.quick_socket.QuickSocket",
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "actors.net.quick_socket",
    .m_size = -1, /* the variables above are the process's */
};

/* The type, behind whose base's structure there is room for the copy; sets the variables above. */
static PyObject *make_type(void)
{
    PyObject *library = PyImport_ImportModule("_socket");
    PyObject *base = library == NULL ? NULL : PyObject_GetAttrString(library, "socket");
    PyObject *size = base == NULL ? NULL : PyObject_GetAttrString(base, "__basicsize__");
    PyObject *made = NULL;

    Py_XDECREF(library);
    if (size == NULL)
        goto done;
    place = PyLong_AsSsize_t(size);
    if (place == -1 && PyErr_Occurred())
        goto done;
    base_init = (initproc)PyType_GetSlot((PyTypeObject *)base, Py_tp_init);
    base_close = PyObject_GetAttrString(base, "close");
    base_detach = PyObject_GetAttrString(base, "detach");
    if (base_init == NULL || base_close == NULL || base_detach == NULL)
        goto done;
    spec.basicsize = (int)place + (int)sizeof(PyObject *); /* what follows must be aligned */
    made = PyType_FromSpecWithBases(&spec, base);

done:
    Py_XDECREF(size);
    Py_XDECREF(base);
    return made;
}

PyMODINIT_FUNC PyInit_quick_socket(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyObject *type = module == NULL ? NULL : make_type();

    if (type == NULL || PyModule_AddObjectRef(module, "QuickSocket", type) < 0) {
        Py_CLEAR(module);
    }
    Py_XDECREF(type);
    return module;
}

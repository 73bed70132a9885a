# The notebooks in JupyterLab with PyTorch for CPUs; Binder builds this file, too. By hand:
#   docker build -t hdsr . && docker run --rm -p 8888:8888 hdsr
FROM python:3.11-slim
RUN apt-get update && apt-get install --no-install-recommends --yes git make && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 jovyan
USER jovyan
WORKDIR /home/jovyan/hdsr
COPY --chown=jovyan . .
ENV PATH=/home/jovyan/hdsr/.venv/bin:$PATH PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 \
    PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN make setup
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "notebooks"]
EXPOSE 8888
